import { CODECS } from './codec.ts';
import { GADGET_PICKLES } from './hostile-gadgets.ts';
import { EXPENSIVE, HIDDEN_NAMES, POLLUTING } from './hostile-tricks.ts';
import type { ObservationValue } from './messages.ts';

/**
 * Hostile and damaged messages for tests: the gadgets of the public lists of pickle attacks, other tricks, and sound messages with
 * bytes changed, cut off, repeated and put elsewhere.
 */

/** Every hostile pickle there is a name for. */
export const HOSTILE_PICKLES: readonly Buffer[] = [
  ...GADGET_PICKLES,
  ...[...HIDDEN_NAMES, ...EXPENSIVE, ...POLLUTING].map(({ bytes }) => bytes),
];

/** Sound messages to begin with: one of each kind, in both forms. */
export function soundMessages(): Buffer[] {
  const values = new Map<string, ObservationValue>([
    ['j0.pos', 0.5],
    ['j1.pos', -1],
    ['front', { type: 'U8', shape: [4, 5, 3], bytes: new Uint8Array(60).fill(9) }],
    ['depth', { type: 'U16', shape: [2, 2, 1], bytes: new Uint8Array(8) }],
    ['task', 'stack the cubes'],
  ]);
  const features = new Map([
    ['observation.state', { dtype: 'float32', shape: [2], names: ['j0.pos', 'j1.pos'] }],
  ]);
  return Object.values(CODECS).flatMap((codec) =>
    [
      codec.writeObservation({ timestampS: 1.5, timestep: 3, mustGo: true, values }),
      codec.writePolicyConfig({
        policyType: 'act',
        pretrainedNameOrPath: 'p',
        features,
        actionsPerChunk: 20,
        device: 'cpu',
        renameMap: new Map([['a', 'b']]),
      }),
      codec.writeActions({
        actions: new Float32Array(8),
        dof: 2,
        rows: Array.from({ length: 4 }, (_, i) => ({ timestampS: i, timestep: i })),
      }),
    ].map((bytes) => Buffer.from(bytes)),
  );
}

/** @param random uniform in [0, 1) */
export function damaged(message: Buffer, random: () => number): Buffer {
  const at = () => Math.floor(random() * message.length);
  const some = Buffer.from(message);
  const edits = 1 + Math.floor(random() * 8);
  switch (Math.floor(random() * 6)) {
    case 0:
      return some.subarray(0, at());
    case 1:
      return Buffer.concat([some.subarray(0, at()), some.subarray(at())]);
    case 2:
      return Buffer.concat([some, some.subarray(0, at())]);
    case 3:
      return Buffer.from(
        Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256)),
      );
    case 4: {
      const gadget = GADGET_PICKLES[Math.floor(random() * GADGET_PICKLES.length)] ?? some;
      const cut = at();
      return Buffer.concat([some.subarray(0, cut), gadget, some.subarray(cut)]);
    }
    default:
      for (let i = 0; i < edits; i++) some[at()] = Math.floor(random() * 256);
      return some;
  }
}
