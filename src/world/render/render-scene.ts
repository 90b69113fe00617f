import type { MainModule, MjData, MjModel } from '../mujoco.ts';
import type { ScreenMask } from './screen-mask.ts';

export interface Camera {
  readonly name: string;
  readonly id: number;
  readonly fovYRad: number;
}

/** The table, m: it is the only thing every ray meets, so its surface is worked out rather than cast. */
export interface Slab {
  readonly geom: number;
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** Rays reach this far, m; behind it is sky. */
const REACH_M = 4;
/** Geoms of this group (table and ground) are not cast. */
const BACKDROP_GROUP = 5;
const CAST_GROUPS = Uint8Array.from({ length: 6 }, (_, group) => Number(group !== BACKDROP_GROUP));

/** A model with positions put into it from outside, for looking at. */
export class RenderScene {
  readonly cameras: readonly Camera[];
  readonly table: Slab;
  /** Linear colour of each geom, three numbers 0 to 1. */
  readonly geomRgb: Float64Array;
  readonly #engine: MainModule;
  readonly #model: MjModel;
  readonly #data: MjData;
  #closed = false;
  #qpos = new Float64Array();
  #positions = new Float64Array();
  #turns = new Float64Array();
  #boxes = new Float64Array();
  #groups = new Int32Array();
  readonly #centre = new Float64Array(3);
  readonly #sides = new Float64Array(9);
  #cameraPositions = new Float64Array();
  #cameraAxes = new Float64Array();

  constructor(engine: MainModule, xml: string) {
    this.#engine = engine;
    this.#model = engine.MjModel.from_xml_string(xml);
    this.#data = new engine.MjData(this.#model);
    this.cameras = Array.from({ length: this.#model.ncam }, (_, id) => ({
      name: engine.mj_id2name(this.#model, engine.mjtObj.mjOBJ_CAMERA.value, id),
      id,
      fovYRad: (Number((this.#model.cam_fovy as Float64Array)[id]) * Math.PI) / 180,
    }));
    this.geomRgb = linearColours(this.#model);
    this.#refresh();
    this.#engine.mj_kinematics(this.#model, this.#data);
    this.table = this.#findTable();
  }

  /** Moves everything: generalised positions as the world publishes them. */
  setPositions(qpos: Float64Array): void {
    this.#refresh();
    this.#qpos.set(qpos.subarray(0, this.#qpos.length));
    this.#engine.mj_kinematics(this.#model, this.#data);
    this.#engine.mj_comPos(this.#model, this.#data);
    this.#engine.mj_camlight(this.#model, this.#data);
  }

  cameraPosition(camera: Camera): Float64Array {
    this.#refresh();
    return this.#cameraPositions.subarray(3 * camera.id, 3 * camera.id + 3);
  }

  cameraAxes(camera: Camera): Float64Array {
    this.#refresh();
    return this.#cameraAxes.subarray(9 * camera.id, 9 * camera.id + 9);
  }

  /** Marks what could show a thing, seen from `position` with these axes (columns right, up, back). */
  cover(mask: ScreenMask, position: ArrayLike<number>, axes: ArrayLike<number>): void {
    this.#refresh();
    mask.clear();
    const centre = this.#centre;
    const sides = this.#sides;
    const boxes = this.#boxes;
    const turns = this.#turns;
    for (let geom = 0; 6 * geom < boxes.length; geom += 1) {
      if (this.#groups[geom] === BACKDROP_GROUP) continue;
      const [box, turn] = [6 * geom, 9 * geom];
      for (let side = 0; side < 3; side += 1) {
        const half = boxes[box + 3 + side]!;
        const x = turns[turn + side]! * half;
        const y = turns[turn + 3 + side]! * half;
        const z = turns[turn + 6 + side]! * half;
        intoCamera(axes, x, y, z, sides, 3 * side);
      }
      // The box's middle need not be the geom's: it is given in the geom's own frame.
      const [bx, by, bz] = [boxes[box]!, boxes[box + 1]!, boxes[box + 2]!];
      const world = (i: number) =>
        this.#positions[3 * geom + i]! +
        turns[turn + 3 * i]! * bx +
        turns[turn + 3 * i + 1]! * by +
        turns[turn + 3 * i + 2]! * bz -
        position[i]!;
      intoCamera(axes, world(0), world(1), world(2), centre, 0);
      mask.cover(centre, sides);
    }
  }

  castRays(
    origin: Float64Array,
    directions: Float64Array,
    geoms: Int32Array,
    distances: Float64Array,
    normals: Float64Array,
  ): void {
    // The engine takes typed arrays too, several times faster than the plain ones its types name.
    const plain = (array: Float64Array | Uint8Array) => array as unknown as number[];
    this.#engine.mj_multiRay(
      this.#model,
      this.#data,
      plain(origin),
      plain(directions),
      plain(CAST_GROUPS),
      true,
      -1,
      geoms,
      distances,
      normals,
      directions.length / 3,
      REACH_M,
    );
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#data.delete();
    this.#model.delete();
  }

  /** The engine's arrays are views into a heap that empties them when it grows. */
  #refresh(): void {
    if (this.#qpos.length > 0) return;
    this.#qpos = this.#data.qpos as Float64Array<ArrayBuffer>;
    this.#positions = this.#data.geom_xpos as Float64Array<ArrayBuffer>;
    this.#turns = this.#data.geom_xmat as Float64Array<ArrayBuffer>;
    this.#groups = this.#model.geom_group as Int32Array<ArrayBuffer>;
    this.#boxes = this.#model.geom_aabb as Float64Array<ArrayBuffer>;
    this.#cameraPositions = this.#data.cam_xpos as Float64Array<ArrayBuffer>;
    this.#cameraAxes = this.#data.cam_xmat as Float64Array<ArrayBuffer>;
  }

  #findTable(): Slab {
    const geom = this.#engine.mj_name2id(this.#model, this.#engine.mjtObj.mjOBJ_GEOM.value, 'table');
    const size = (this.#model.geom_size as Float64Array).slice(3 * geom, 3 * geom + 3);
    const centre = this.#positions.slice(3 * geom, 3 * geom + 3);
    return {
      geom,
      low: centre.map((value, axis) => value - size[axis]!),
      high: centre.map((value, axis) => value + size[axis]!),
    };
  }
}

/** A direction of the world as right, up, ahead of a camera. */
function intoCamera(
  axes: ArrayLike<number>,
  x: number,
  y: number,
  z: number,
  out: Float64Array,
  at: number,
): void {
  out[at] = axes[0]! * x + axes[3]! * y + axes[6]! * z;
  out[at + 1] = axes[1]! * x + axes[4]! * y + axes[7]! * z;
  out[at + 2] = -(axes[2]! * x + axes[5]! * y + axes[8]! * z);
}

function linearColours(model: MjModel): Float64Array {
  const rgba = model.geom_rgba as Float32Array;
  const out = new Float64Array(3 * model.ngeom);
  for (let geom = 0; geom < model.ngeom; geom += 1) {
    for (let i = 0; i < 3; i += 1) out[3 * geom + i] = rgba[4 * geom + i]! ** 2.2;
  }
  return out;
}
