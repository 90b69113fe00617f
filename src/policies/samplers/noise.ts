import { randomInt } from 'node:crypto';
import { mix32, streamOf } from '../seeded-tensor.ts';

/** A seed nobody chose, 32 bits. */
export const anySeed = (): number => randomInt(2 ** 32);

/**
 * Standard normal numbers from a seed (Box and Muller 1958). The same seed gives the same numbers on every machine
 * up to the last bits of its logarithm and cosine; they are not PyTorch's.
 */
export function normalNoise(seed: number, count: number): Float32Array<ArrayBuffer> {
  const stream = streamOf(seed, 'noise');
  // In (0, 1]: the logarithm below must stay finite.
  const uniform = (index: number) => (mix32(stream + Math.imul(index, 0x9e3779b1)) + 1) / 2 ** 32;
  const noise = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(uniform(i)));
    const angle = 2 * Math.PI * uniform(i + 1);
    noise[i] = radius * Math.cos(angle);
    if (i + 1 < count) noise[i + 1] = radius * Math.sin(angle);
  }
  return noise;
}
