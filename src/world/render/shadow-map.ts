import type { MainModule } from '../mujoco.ts';
import { RayGrid } from './ray-grid.ts';
import type { RenderScene } from './render-scene.ts';

/** Rays a side of the lamp's picture, and how much it sees. */
const SIDE = 80;
const FOV_RAD = 0.72;
/** A surface further from the lamp than what the lamp sees by more than this is in shadow, m. */
const BIAS_M = 0.014;
/** Where the lamp stands and what it looks at, m. */
const LAMP = [0.62, -0.62, 1.45] as const;
const AIM = [0.2, 0.02, 0.05] as const;

/** What the lamp sees: how far its light gets in each direction. Looked up for every visible point. */
export class ShadowMap {
  readonly lamp = new Float64Array(LAMP);
  readonly #grid: RayGrid;
  readonly #axes: Float64Array;
  readonly #scale: number;
  readonly #depth = new Float64Array(SIDE * SIDE);

  constructor(engine: MainModule) {
    this.#grid = new RayGrid(engine, SIDE, SIDE, FOV_RAD);
    this.#axes = lookAt(LAMP, AIM);
    this.#scale = SIDE / (2 * Math.tan(FOV_RAD / 2));
  }

  /** Casts the lamp's rays anew. */
  update(scene: RenderScene): void {
    this.#grid.cast(scene, this.lamp, this.#axes);
    const { geoms, distances } = this.#grid;
    for (let i = 0; i < geoms.length; i += 1) {
      this.#depth[i] = geoms[i]! < 0 ? Number.POSITIVE_INFINITY : distances[i]!;
    }
  }

  /** How much of the lamp a point sees, 0 to 1: four neighbouring rays, mixed by nearness, so edges are soft. */
  light(x: number, y: number, z: number): number {
    const dx = x - this.lamp[0]!;
    const dy = y - this.lamp[1]!;
    const dz = z - this.lamp[2]!;
    const axes = this.#axes;
    const back = axes[2]! * dx + axes[5]! * dy + axes[8]! * dz;
    if (back >= 0) return 1;
    const scale = this.#scale / -back;
    const column = SIDE / 2 - 0.5 + (axes[0]! * dx + axes[3]! * dy + axes[6]! * dz) * scale;
    const row = SIDE / 2 - 0.5 - (axes[1]! * dx + axes[4]! * dy + axes[7]! * dz) * scale;
    if (!(column >= 0 && row >= 0 && column < SIDE - 1 && row < SIDE - 1)) return 1;
    const left = Math.floor(column);
    const top = Math.floor(row);
    const at = top * SIDE + left;
    const limit = Math.sqrt(dx * dx + dy * dy + dz * dz) - BIAS_M;
    const u = column - left;
    const v = row - top;
    const depth = this.#depth;
    return (
      (depth[at]! > limit ? (1 - u) * (1 - v) : 0) +
      (depth[at + 1]! > limit ? u * (1 - v) : 0) +
      (depth[at + SIDE]! > limit ? (1 - u) * v : 0) +
      (depth[at + SIDE + 1]! > limit ? u * v : 0)
    );
  }

  close(): void {
    this.#grid.close();
  }
}

type Point = readonly [number, number, number];

/** Columns right, up, back of a camera at `from` that looks at `to`, row by row. */
function lookAt(from: Point, to: Point): Float64Array {
  const back = unit([from[0] - to[0], from[1] - to[1], from[2] - to[2]]);
  const right = unit(cross([0, 0, 1], back));
  const up = cross(back, right);
  return Float64Array.of(right[0], up[0], back[0], right[1], up[1], back[1], right[2], up[2], back[2]);
}

const cross = (a: Point, b: Point): Point => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];

const unit = (v: Point): Point => {
  const length = Math.hypot(...v);
  return [v[0] / length, v[1] / length, v[2] / length];
};
