/** Nothing nearer to the eye than this is seen, m. */
const NEAR_M = 0.001;
/** Corner pairs of a box that share an edge; a corner's three bits say which side of each axis it is on. */
const EDGES = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((corner) =>
  [1, 2, 4].filter((bit) => (corner & bit) === 0).map((bit) => [corner, corner | bit] as const),
);

/**
 * Which pixels of a pinhole picture could show any of a set of boxes. Rays are dear, so only these are cast; the
 * rest can see nothing but table and sky.
 */
export class ScreenMask {
  readonly #width: number;
  readonly #height: number;
  /** Pixels for a slope of one. */
  readonly #focal: number;
  readonly #marks: Uint8Array;
  /** Corners of the box at hand in the camera's frame: right, up, ahead. */
  readonly #corners = new Float64Array(24);
  #left = 0;
  #right = 0;
  #bottom = 0;
  #top = 0;

  constructor(width: number, height: number, fovYRad: number) {
    this.#width = width;
    this.#height = height;
    this.#focal = height / (2 * Math.tan(fovYRad / 2));
    this.#marks = new Uint8Array(width * height);
  }

  clear(): void {
    this.#marks.fill(0);
  }

  /**
   * Marks the rectangle around a box. `centre` is (right, up, ahead) of the camera, m; `sides` are its three
   * half-edges in the same frame, one after the other.
   */
  cover(centre: ArrayLike<number>, sides: ArrayLike<number>): void {
    this.#placeCorners(centre, sides);
    this.#left = this.#bottom = Number.POSITIVE_INFINITY;
    this.#right = this.#top = Number.NEGATIVE_INFINITY;
    for (const [from, to] of EDGES) this.#reachAlong(3 * from, 3 * to);
    const first = Math.max(0, Math.floor(this.#width / 2 + this.#left));
    const last = Math.min(this.#width, Math.floor(this.#width / 2 + this.#right) + 1);
    const rowEnd = Math.min(this.#height, Math.floor(this.#height / 2 - this.#bottom) + 1);
    if (first >= last) return;
    for (let row = Math.max(0, Math.floor(this.#height / 2 - this.#top)); row < rowEnd; row += 1) {
      this.#marks.fill(1, row * this.#width + first, row * this.#width + last);
    }
  }

  /** Puts the indices of the marked pixels into `out`, in order. Returns how many there are. */
  collect(out: Int32Array): number {
    const marks = this.#marks;
    let count = 0;
    for (let pixel = 0; pixel < marks.length; pixel += 1) {
      if (marks[pixel] !== 0) {
        out[count] = pixel;
        count += 1;
      }
    }
    return count;
  }

  #placeCorners(centre: ArrayLike<number>, sides: ArrayLike<number>): void {
    for (let corner = 0; corner < 8; corner += 1) {
      const x = (corner & 1) === 0 ? -1 : 1;
      const y = (corner & 2) === 0 ? -1 : 1;
      const z = (corner & 4) === 0 ? -1 : 1;
      for (let i = 0; i < 3; i += 1) {
        this.#corners[3 * corner + i] = centre[i]! + x * sides[i]! + y * sides[3 + i]! + z * sides[6 + i]!;
      }
    }
  }

  /** Takes in the part of an edge that lies before the eye. */
  #reachAlong(from: number, to: number): void {
    const corners = this.#corners;
    const start = corners[from + 2]!;
    const end = corners[to + 2]!;
    if (start < NEAR_M && end < NEAR_M) return;
    this.#reach(from, to, start < NEAR_M ? (NEAR_M - start) / (end - start) : 0);
    this.#reach(from, to, end < NEAR_M ? (NEAR_M - start) / (end - start) : 1);
  }

  #reach(from: number, to: number, share: number): void {
    const corners = this.#corners;
    const mix = (i: number) => corners[from + i]! + (corners[to + i]! - corners[from + i]!) * share;
    const scale = this.#focal / Math.max(NEAR_M, mix(2));
    const x = mix(0) * scale;
    const y = mix(1) * scale;
    this.#left = Math.min(this.#left, x);
    this.#right = Math.max(this.#right, x);
    this.#bottom = Math.min(this.#bottom, y);
    this.#top = Math.max(this.#top, y);
  }
}
