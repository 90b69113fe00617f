import {
  BoxGeometry,
  Color,
  Group,
  Mesh,
  MeshStandardMaterial,
  type Object3D,
  SRGBColorSpace,
  Vector3,
} from 'three';
import type { WorldState } from '../../../src/remote/gateway/telemetry.ts';

/**
 * The table, its trays and its cubes, read from the scene file the world itself runs (MJCF). Only what that file
 * uses is understood: boxes, their place, size and colour, and default classes.
 */
export interface TableModel {
  readonly group: Group;
  setObjects(objects: WorldState['objects']): void;
}

const numbers = (text: string | null | undefined): number[] =>
  (text ?? '').split(/\s+/).filter(Boolean).map(Number);

const vector = (text: string | null | undefined): Vector3 => {
  const [x = 0, y = 0, z = 0] = numbers(text);
  return new Vector3(x, y, z);
};

/** An attribute of a geom, its own or its default class's. */
function attribute(geom: Element, name: string): string | null {
  const own = geom.getAttribute(name);
  const className = geom.getAttribute('class');
  if (own !== null || className === null) return own;
  return (
    geom.ownerDocument
      .querySelector(`default[class="${CSS.escape(className)}"] > geom`)
      ?.getAttribute(name) ?? null
  );
}

function drawBox(geom: Element): Mesh | undefined {
  if (attribute(geom, 'type') !== 'box') return undefined;
  const size = vector(attribute(geom, 'size')).multiplyScalar(2);
  const [r = 0.6, g = 0.6, b = 0.6] = numbers(attribute(geom, 'rgba'));
  const mesh = new Mesh(
    new BoxGeometry(size.x, size.y, size.z),
    new MeshStandardMaterial({ color: new Color().setRGB(r, g, b, SRGBColorSpace), roughness: 0.75 }),
  );
  mesh.position.copy(vector(attribute(geom, 'pos')));
  mesh.castShadow = true;
  mesh.receiveShadow = true;
  return mesh;
}

/** Draws a scene file; `movable` receives the bodies that have a free joint, by name. */
export function drawScene(xml: string, movable: Map<string, Object3D>): Group {
  const group = new Group();
  const scene = new DOMParser().parseFromString(xml, 'text/xml').querySelector('worldbody');
  for (const geom of scene?.querySelectorAll('geom') ?? []) {
    const mesh = drawBox(geom);
    if (mesh === undefined) continue;
    const body = geom.closest('body');
    if (body === null) {
      group.add(mesh);
      continue;
    }
    const name = body.getAttribute('name') ?? '';
    let holder = group.getObjectByName(name);
    if (holder === undefined) {
      holder = new Group();
      holder.name = name;
      holder.position.copy(vector(body.getAttribute('pos')));
      group.add(holder);
    }
    holder.add(mesh);
    if (body.querySelector('freejoint') !== null) movable.set(name, holder);
  }
  return group;
}

export async function loadTableModel(scenePath: string): Promise<TableModel> {
  const answer = await fetch(scenePath);
  if (!answer.ok) throw new Error(`The scene ${scenePath} cannot be loaded.`);
  const movable = new Map<string, Object3D>();
  const group = drawScene(await answer.text(), movable);
  return {
    group,
    setObjects(objects) {
      for (const { name, pose } of objects) {
        const [x, y, z, qw, qx, qy, qz] = pose.map((value) => value ?? 0);
        const object = movable.get(name);
        object?.position.set(x ?? 0, y ?? 0, z ?? 0);
        object?.quaternion.set(qx ?? 0, qy ?? 0, qz ?? 0, qw ?? 1);
      }
    },
  };
}
