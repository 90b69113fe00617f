import type { MainModule } from '../mujoco.ts';
import type { RenderScene } from './render-scene.ts';
import { ScreenMask } from './screen-mask.ts';

type IntBuffer = InstanceType<MainModule['IntBuffer']>;
type DoubleBuffer = InstanceType<MainModule['DoubleBuffer']>;

/** Rays a call: the engine copies them, so few enough to fit into memory it has. */
const CHUNK = 4096;

/**
 * A bundle of rays from one point, one a pixel, and what they hit. Only pixels that could show a thing are cast; the
 * table is left to the caller, who can work it out from the direction alone. Everything is allocated once.
 */
export class RayGrid {
  readonly width: number;
  readonly height: number;
  readonly origin = new Float64Array(3);
  /** Unit directions in the world, three numbers a pixel. */
  readonly directions: Float64Array;
  /** Geom each pixel's ray hits (-1: none), its distance (m), and the surface normal there. */
  readonly geoms: Int32Array;
  readonly distances: Float64Array;
  readonly normals: Float64Array;
  readonly #mask: ScreenMask;
  readonly #local: Float64Array;
  readonly #cast: Int32Array;
  readonly #castDirections: Float64Array;
  readonly #castGeoms: IntBuffer;
  readonly #castDistances: DoubleBuffer;
  readonly #castNormals: DoubleBuffer;
  #closed = false;

  constructor(engine: MainModule, width: number, height: number, fovYRad: number) {
    const rays = width * height;
    this.width = width;
    this.height = height;
    this.directions = new Float64Array(3 * rays);
    this.geoms = new Int32Array(rays);
    this.distances = new Float64Array(rays);
    this.normals = new Float64Array(3 * rays);
    this.#mask = new ScreenMask(width, height, fovYRad);
    this.#local = localDirections(width, height, fovYRad);
    this.#cast = new Int32Array(rays);
    this.#castDirections = new Float64Array(3 * rays);
    this.#castGeoms = new engine.IntBuffer(CHUNK);
    this.#castDistances = new engine.DoubleBuffer(CHUNK);
    this.#castNormals = new engine.DoubleBuffer(3 * CHUNK);
  }

  /** Casts from `position`, looking along minus z of `axes` (3x3, row by row: columns are right, up, back). */
  cast(scene: RenderScene, position: ArrayLike<number>, axes: ArrayLike<number>): void {
    this.origin.set(position);
    rotate(axes, this.#local, this.directions);
    scene.cover(this.#mask, position, axes);
    const count = this.#mask.collect(this.#cast);
    for (let i = 0; i < count; i += 1) {
      const at = 3 * this.#cast[i]!;
      this.#castDirections[3 * i] = this.directions[at]!;
      this.#castDirections[3 * i + 1] = this.directions[at + 1]!;
      this.#castDirections[3 * i + 2] = this.directions[at + 2]!;
    }
    this.geoms.fill(-1);
    for (let first = 0; first < count; first += CHUNK) {
      this.#shoot(scene, first, Math.min(count, first + CHUNK));
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#castGeoms.delete();
    this.#castDistances.delete();
    this.#castNormals.delete();
  }

  /** Casts pixels `first` to `end` of the list. */
  #shoot(scene: RenderScene, first: number, end: number): void {
    const count = end - first;
    const directions = this.#castDirections.subarray(3 * first, 3 * end);
    let outputs = this.#outputs(count);
    try {
      scene.castRays(this.origin, directions, ...outputs);
    } catch (thrown) {
      if (outputs[0].length === count) throw thrown;
      // Copying the directions made the engine's heap grow, which empties the views it was given.
      outputs = this.#outputs(count);
      scene.castRays(this.origin, directions, ...outputs);
    }
    this.#keep(first, ...outputs);
  }

  #keep(first: number, geoms: Int32Array, distances: Float64Array, normals: Float64Array): void {
    for (let i = 0; i < geoms.length; i += 1) {
      const geom = geoms[i]!;
      if (geom < 0) continue;
      const pixel = this.#cast[first + i]!;
      this.geoms[pixel] = geom;
      this.distances[pixel] = distances[i]!;
      this.normals[3 * pixel] = normals[3 * i]!;
      this.normals[3 * pixel + 1] = normals[3 * i + 1]!;
      this.normals[3 * pixel + 2] = normals[3 * i + 2]!;
    }
  }

  /** The engine wants outputs of exactly the size asked for; parts of its own memory will do. */
  #outputs(count: number): [Int32Array, Float64Array, Float64Array] {
    return [
      this.#castGeoms.GetView().subarray(0, count),
      this.#castDistances.GetView().subarray(0, count),
      this.#castNormals.GetView().subarray(0, 3 * count),
    ];
  }
}

/** Unit directions through the middle of each pixel of a pinhole camera, rows from the top. */
function localDirections(width: number, height: number, fovYRad: number): Float64Array {
  const out = new Float64Array(3 * width * height);
  const pixel = (2 * Math.tan(fovYRad / 2)) / height;
  let at = 0;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const x = (column + 0.5 - width / 2) * pixel;
      const y = (height / 2 - row - 0.5) * pixel;
      const length = Math.hypot(x, y, 1);
      out[at] = x / length;
      out[at + 1] = y / length;
      out[at + 2] = -1 / length;
      at += 3;
    }
  }
  return out;
}

function rotate(axes: ArrayLike<number>, local: Float64Array, out: Float64Array): void {
  const [a, b, c] = [axes[0]!, axes[1]!, axes[2]!];
  const [d, e, f] = [axes[3]!, axes[4]!, axes[5]!];
  const [g, h, i] = [axes[6]!, axes[7]!, axes[8]!];
  for (let at = 0; at < local.length; at += 3) {
    const x = local[at]!;
    const y = local[at + 1]!;
    const z = local[at + 2]!;
    out[at] = a * x + b * y + c * z;
    out[at + 1] = d * x + e * y + f * z;
    out[at + 2] = g * x + h * y + i * z;
  }
}
