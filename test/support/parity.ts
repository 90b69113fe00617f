import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { CameraFrame } from '../../src/core/observation.ts';
import { cameraName } from '../../src/policies/features.ts';
import { elementCount, openSafetensors, readTensor } from '../../src/policies/safetensors.ts';
import type { TensorToWrite } from '../../src/policies/safetensors-writer.ts';
import { writeSeededWeights } from '../../src/policies/seeded-checkpoint.ts';
import { seededPicture, streamOf, uniformAt } from '../../src/policies/seeded-tensor.ts';

/** What tests beside LeRobot's own code share: inputs that both sides draw alike, and how far answers lie apart. */

/** `length` numbers, evenly spread over -`scale` to `scale`. */
export const seededVector = (seed: number, name: string, length: number, scale = 1): Float64Array => {
  const stream = streamOf(seed, name);
  return Float64Array.from({ length }, (_, i) => scale * uniformAt(stream, i));
};

interface Picture {
  readonly feature: string;
  readonly width: number;
  readonly height: number;
}

/** The picture of one camera at one step. `drawnAs`: its feature's name when the reference was made. */
export function seededFrame(
  seed: number,
  { feature, width, height }: Picture,
  step: number,
  drawnAs = feature,
): CameraFrame {
  const rgb = seededPicture(seed, `${drawnAs}@${step}`, width, height);
  return { name: cameraName(drawnAs), width, height, rgb, capturedNs: 0, sequence: step };
}

export function largestDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  return Array.from(expected).reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0);
}

/** Copies a fixture's folder and makes its weights again, with the buffers of a legacy checkpoint if it has some. */
export async function seededCheckpoint(fixture: string, folder: string, seed: number): Promise<string> {
  cpSync(fixture, folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  const extra = await legacyBuffers(folder);
  await writeSeededWeights(join(folder, 'model.safetensors'), config, seed, { extra });
  return folder;
}

async function legacyBuffers(folder: string): Promise<TensorToWrite[]> {
  if (!readdirSync(folder).includes('buffers.safetensors')) return [];
  const file = await openSafetensors(join(folder, 'buffers.safetensors'));
  const tensors = [...file.tensors.values()].map(async (tensor) => {
    const values = Float32Array.from(await readTensor(tensor));
    expect(values.length).toBe(elementCount(tensor.shape));
    return { name: tensor.name, shape: tensor.shape, values: () => values };
  });
  return Promise.all(tensors);
}
