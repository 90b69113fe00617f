import type { RayGrid } from './ray-grid.ts';
import type { RenderScene, Slab } from './render-scene.ts';
import type { ShadowMap } from './shadow-map.ts';

/** Light from everywhere, a little more from above; the lamp's share; and the shine of smooth surfaces. */
const AMBIENT = 0.34;
const SKY_LIGHT = 0.22;
const LAMP_LIGHT = 0.78;
const SHINE = 0.16;
/** Size of a square of the table's chequer, m, and how much darker every other one is. */
const SQUARE_M = 0.08;
const CHEQUER = 0.94;
/** Shadows are looked up a little off the surface, so that it does not shadow itself, m. */
const OFF_SURFACE_M = 0.004;
/** Colours on screen: at the horizon, straight up, straight down. */
const HORIZON = [0.86, 0.89, 0.93] as const;
const ZENITH = [0.42, 0.55, 0.72] as const;
const FLOOR = [0.55, 0.57, 0.61] as const;

/** Linear light, 0 to 1 in 1024 steps, to a byte on screen. */
const ENCODED = Uint8ClampedArray.from({ length: 1025 }, (_, i) => 255 * (i / 1024) ** (1 / 2.2));
const toByte = (linear: number): number => ENCODED[linear >= 1 ? 1024 : (linear * 1024) | 0]!;

/** Background by how steeply a ray looks up, from -1 to 1 in 256 steps, three bytes each. */
const SKY_STEPS = 256;
const SKY = Uint8ClampedArray.from({ length: 3 * (SKY_STEPS + 1) }, (_, i) => {
  const upward = (2 * Math.floor(i / 3)) / SKY_STEPS - 1;
  const share = Math.min(1, Math.abs(upward) * (upward < 0 ? 3 : 1.6));
  const from = HORIZON[i % 3]!;
  return 255 * (from + ((upward < 0 ? FLOOR : ZENITH)[i % 3]! - from) * share);
});

/** Turns hits into a picture: one lamp with shadows, light from the sky, a sky behind. Allocates nothing. */
export function shade(grid: RayGrid, scene: RenderScene, shadow: ShadowMap, rgb: Uint8Array): void {
  const { geoms, distances, normals, directions } = grid;
  const { geomRgb, table } = scene;
  const ox = grid.origin[0]!;
  const oy = grid.origin[1]!;
  const oz = grid.origin[2]!;
  const lampX = shadow.lamp[0]!;
  const lampY = shadow.lamp[1]!;
  const lampZ = shadow.lamp[2]!;
  for (let i = 0, at = 0; i < geoms.length; i += 1, at += 3) {
    const dx = directions[at]!;
    const dy = directions[at + 1]!;
    const dz = directions[at + 2]!;
    let geom = geoms[i]!;
    let distance = geom < 0 ? Number.POSITIVE_INFINITY : distances[i]!;
    let nx = normals[at]!;
    let ny = normals[at + 1]!;
    let nz = normals[at + 2]!;
    const axis = enterSlab(table, ox, oy, oz, dx, dy, dz, distance);
    if (axis >= 0) {
      geom = table.geom;
      distance = entered;
      nx = axis === 0 ? -Math.sign(dx) : 0;
      ny = axis === 1 ? -Math.sign(dy) : 0;
      nz = axis === 2 ? -Math.sign(dz) : 0;
    }
    if (geom < 0) {
      const sky = 3 * (((dz + 1) * (SKY_STEPS / 2)) | 0);
      rgb[at] = SKY[sky]!;
      rgb[at + 1] = SKY[sky + 1]!;
      rgb[at + 2] = SKY[sky + 2]!;
      continue;
    }
    if (nx * dx + ny * dy + nz * dz > 0) {
      nx = -nx;
      ny = -ny;
      nz = -nz;
    }
    const x = ox + dx * distance;
    const y = oy + dy * distance;
    const z = oz + dz * distance;
    const toLampX = lampX - x;
    const toLampY = lampY - y;
    const toLampZ = lampZ - z;
    const perM = 1 / Math.sqrt(toLampX * toLampX + toLampY * toLampY + toLampZ * toLampZ);
    const facing = (nx * toLampX + ny * toLampY + nz * toLampZ) * perM;
    let light = AMBIENT + SKY_LIGHT * nz;
    let shine = 0;
    if (facing > 0) {
      const lit = shadow.light(x + nx * OFF_SURFACE_M, y + ny * OFF_SURFACE_M, z + nz * OFF_SURFACE_M);
      light += LAMP_LIGHT * facing * lit;
      if (axis < 0) {
        const hx = toLampX * perM - dx;
        const hy = toLampY * perM - dy;
        const hz = toLampZ * perM - dz;
        shine = SHINE * lit * highlight(nx * hx + ny * hy + nz * hz, hx * hx + hy * hy + hz * hz);
      }
    }
    if (axis === 2 && ((Math.floor(x / SQUARE_M) + Math.floor(y / SQUARE_M)) & 1) !== 0) light *= CHEQUER;
    rgb[at] = toByte(geomRgb[3 * geom]! * light + shine);
    rgb[at + 1] = toByte(geomRgb[3 * geom + 1]! * light + shine);
    rgb[at + 2] = toByte(geomRgb[3 * geom + 2]! * light + shine);
  }
}

/** Where the ray of the last {@link enterSlab} that returned an axis enters. */
let entered = 0;

/** The axis of the face through which a ray enters a box closer than `nearest`, or -1. */
function enterSlab(
  box: Slab,
  ox: number,
  oy: number,
  oz: number,
  dx: number,
  dy: number,
  dz: number,
  nearest: number,
): number {
  const { low, high } = box;
  const nearX = ((dx > 0 ? low[0]! : high[0]!) - ox) / dx;
  const nearY = ((dy > 0 ? low[1]! : high[1]!) - oy) / dy;
  const nearZ = ((dz > 0 ? low[2]! : high[2]!) - oz) / dz;
  const enter = Math.max(nearX, nearY, nearZ);
  if (!(enter > 0 && enter < nearest)) return -1;
  if (((dx > 0 ? high[0]! : low[0]!) - ox) / dx < enter) return -1;
  if (((dy > 0 ? high[1]! : low[1]!) - oy) / dy < enter) return -1;
  if (((dz > 0 ? high[2]! : low[2]!) - oz) / dz < enter) return -1;
  entered = enter;
  return enter === nearZ ? 2 : enter === nearX ? 0 : 1;
}

/** Blinn's highlight: how well the normal halves the way from eye to lamp, to the 32nd power. */
function highlight(along: number, halfSquared: number): number {
  if (along <= 0) return 0;
  let power = (along * along) / halfSquared;
  power *= power;
  power *= power;
  power *= power;
  return power * power;
}
