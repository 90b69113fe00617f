import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { STATE } from '../../policies/features.ts';
import { smolVlaConfig } from '../../policies/models/smolvla-full-size.ts';
import { unitLevels } from '../../policies/processors/batch.ts';
import { resizeWithPad } from '../../policies/processors/resize-with-pad.ts';
import { seededPicture, streamOf, uniformAt } from '../../policies/seeded-tensor.ts';
import type { OwnSettings } from './contestant.ts';
import { SEED } from './policy.ts';

/** Side of the pictures SmolVLA looks at. */
const SIDE = 512;

/**
 * Writes what `tools/parity/time_vlacpp.cpp` hands to vla.cpp, which takes pictures resized and words as tokens: one
 * float32 file of cameras, side, tokens, state length and noise length, then pictures [side, side, 3] from 0 to 1,
 * tokens, state and noise.
 */
export async function writeVlaCppInputs(
  folder: string,
  { noise }: Pick<OwnSettings, 'noise'>,
  tokens: readonly number[],
): Promise<string> {
  const config = smolVlaConfig();
  const pictures = Object.entries(config.input_features).flatMap(([name, { type, shape }]) => {
    const [, height = 0, width = 0] = shape;
    return type === 'VISUAL'
      ? [squarePicture(seededPicture(SEED, `${name}@0`, width, height), width, height)]
      : [];
  });
  const numbers = (name: string, count: number, reach = 1): Float32Array => {
    const stream = streamOf(SEED, name);
    return Float32Array.from({ length: count }, (_, i) => reach * uniformAt(stream, i));
  };
  const state = new Float32Array(config.max_state_dim);
  state.set(numbers(`${STATE}@0`, config.input_features[STATE]?.shape[0] ?? 0));
  const begin = numbers('noise@0', noise?.count ?? 0, noise?.reach);
  const parts = [
    Float32Array.of(pictures.length, SIDE, tokens.length, state.length, begin.length),
    ...pictures,
    Float32Array.from(tokens),
    state,
    begin,
  ];
  const file = join(folder, 'vlacpp-inputs.f32');
  await writeFile(file, Buffer.concat(parts.map((part) => new Uint8Array(part.buffer))));
  return file;
}

function squarePicture(rgb: Uint8Array, width: number, height: number): Float32Array {
  const planes = new Float32Array(3 * SIDE * SIDE);
  const frame = { name: '', width, height, rgb, capturedNs: 0, sequence: 0 };
  const target = { width: SIDE, height: SIDE, place: 'end', scale: 1, shift: 0, padding: 0 } as const;
  resizeWithPad({ frame, levels: unitLevels() }, target, planes);
  const cells = SIDE * SIDE;
  return Float32Array.from(
    { length: 3 * cells },
    (_, i) => planes[(i % 3) * cells + Math.floor(i / 3)] as number,
  );
}

/** The same model in vla.cpp with its weights held as `type`. */
export const vlaCppCommand = (
  program: string,
  folder: string,
  type: 'f32' | 'bf16',
  inputs: string,
  threads: number,
): string[] => [program, join(folder, 'model.safetensors'), type, inputs, String(threads)];
