import { MyelinError } from '../core/errors.ts';
import type { PolicySpec } from '../policies/policy.ts';

export interface CameraPlaces {
  /** The policy's, in its order. */
  readonly cameras: PolicySpec['cameras'];
  /** What a person said, in order: `front=0`, `wrist=my_ring`, or a source alone for the next camera in order. */
  readonly given: readonly string[];
  /** Rings that are being filled. */
  readonly rings: readonly string[];
  /** Rings of the simulated world the arm is in, in the order of a policy's cameras. Default: none. */
  readonly simulated?: readonly string[];
}

export interface CameraChoice {
  /** What each camera looks through: a ring's name, or a number for /dev/videoN. */
  readonly chosen: readonly { readonly camera: string; readonly source: string }[];
  /** Cameras that nothing was found for and that the policy can do without. */
  readonly absent: readonly string[];
}

/**
 * What each camera of a policy looks through: what a person said; a ring of the camera's own name, by whole name or
 * last part; the ring of its place in the order; the simulated world's; the device of its number. A camera that the
 * policy can do without is not given a device by guess, nor another camera's ring; but one camera there must be.
 * @throws MyelinError INVALID_ARGUMENT for a name that is none of the policy's
 */
export function chooseCameras({ cameras, given, rings, simulated = [] }: CameraPlaces): CameraChoice {
  const named = new Map<string, string>();
  const inOrder: string[] = [];
  for (const text of given) {
    const [first = '', ...rest] = text.split('=');
    if (rest.length === 0) inOrder.push(first);
    else if (cameras.some(({ name }) => name === first)) named.set(first, rest.join('='));
    else {
      const allowed = `NAME=SOURCE with a camera of this policy: ${cameras.map(({ name }) => name).join(', ') || 'it has none'}`;
      throw new MyelinError('INVALID_ARGUMENT', { name: '--camera-id', value: text, allowed });
    }
  }
  const ownRing = (name: string) =>
    rings.find((ring) => ring === name || ring === (name.split('.').at(-1) ?? name));
  const owned = new Set(cameras.map(({ name }) => ownRing(name)));
  const unnamed = cameras.filter(({ name }) => !named.has(name));
  const chosen: { camera: string; source: string }[] = [];
  const absent: string[] = [];
  for (const [index, { name, optional }] of cameras.entries()) {
    const said = named.get(name) ?? inOrder[unnamed.findIndex((camera) => camera.name === name)];
    const ring = rings[index];
    const free = ring !== undefined && !owned.has(ring) && chosen.every(({ source }) => source !== ring);
    const guess = optional && !free ? undefined : ring;
    const source =
      said ?? ownRing(name) ?? guess ?? simulated[index] ?? (optional ? undefined : String(index));
    if (source === undefined) absent.push(name);
    else chosen.push({ camera: name, source });
  }
  const [first, ...others] = absent;
  if (chosen.length > 0 || first === undefined) return { chosen, absent };
  return { chosen: [{ camera: first, source: '0' }], absent: others };
}
