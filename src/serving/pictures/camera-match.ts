import { MyelinError } from '../../core/errors.ts';
import type { CameraFrame } from '../../core/observation.ts';
import type { CameraNeed } from '../../policies/policy.ts';

/** A picture as a client named it. */
export interface NamedPicture {
  readonly name: string;
  /** Camera slot that name usually fills in pi0 and pi0.5 models: `base_0_rgb` ... */
  readonly slot?: string | undefined;
  /** Whether a policy without a place for it may do without: clients of that robot always send it. */
  readonly spare?: boolean | undefined;
  readonly frame: Omit<CameraFrame, 'name'>;
}

export interface CameraMatchOptions {
  /** A client's camera name to the policy's: `{ image: 'front' }`. */
  readonly cameras?: Readonly<Record<string, string>> | undefined;
}

/**
 * Gives each picture the name of the policy's camera it is for: the configured one, else its own, else its slot's.
 * Nothing is guessed by order, and a picture that is for no camera is refused: a policy that may lack cameras would
 * act on nothing and nobody would notice. A policy that looks at no camera is given all pictures by their own names.
 * @throws MyelinError OBSERVATION_MISMATCH
 */
export function matchCameras(
  pictures: readonly NamedPicture[],
  needs: readonly CameraNeed[],
  { cameras = {} }: CameraMatchOptions = {},
): Map<string, CameraFrame> {
  const known = new Set(needs.map(({ name }) => name));
  const frames = new Map<string, CameraFrame>();
  for (const { name, slot, spare, frame } of pictures) {
    const configured = Object.hasOwn(cameras, name) ? cameras[name] : undefined;
    const target =
      needs.length === 0 ? name : [configured, name, slot].find((it) => it !== undefined && known.has(it));
    if (target === undefined) {
      if (spare) continue;
      throw mismatch(
        needs,
        pictures,
        `Name the camera "${name}" as one of these, or give --camera ${name}=NAME.`,
      );
    }
    if (frames.has(target)) throw mismatch(needs, pictures, `Two pictures are for "${target}": send one.`);
    frames.set(target, { ...frame, name: target });
  }
  const missing = needs.find(({ name, optional }) => !optional && !frames.has(name));
  if (missing !== undefined)
    throw mismatch(
      needs,
      pictures,
      `Send a picture named "${missing.name}", or give --camera NAME=${missing.name}.`,
    );
  if (needs.length > 0 && frames.size === 0)
    throw mismatch(needs, pictures, 'Send at least one of these pictures.');
  return frames;
}

const mismatch = (needs: readonly CameraNeed[], pictures: readonly NamedPicture[], advice: string) =>
  new MyelinError('OBSERVATION_MISMATCH', {
    needed: `pictures named ${needs.map(({ name, optional }) => (optional ? `${name} (optional)` : name)).join(', ')}`,
    found: pictures.length === 0 ? 'no picture' : pictures.map(({ name }) => name.slice(0, 60)).join(', '),
    advice,
  });
