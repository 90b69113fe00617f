import { elementCount } from './safetensors.ts';

/**
 * Weights from a seed: every element is a hash of the seed, the tensor's name and the element's index, so that
 * checkpoints of any size need not be kept or sent. `tools/parity/seeded.py` is the same in Python, bit for bit.
 */

/** 32-bit FNV-1a of the UTF-8 text. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Mixes 32 bits so that neighbours share nothing ("lowbias32" by C. Wellons, in the public domain). */
export function mix32(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The stream a name has under a seed. */
export const streamOf = (seed: number, name: string): number => mix32((fnv1a(name) ^ mix32(seed)) >>> 0);

/** Uniform in [-1, 1), 24 bits, exact in float32. */
export const uniformAt = (stream: number, index: number): number =>
  (mix32(stream + Math.imul(index, 0x9e3779b1)) >>> 8) / 2 ** 23 - 1;

/** Where a tensor's values lie: `centre + spread * uniform`. Chosen by name so that activations keep their size. */
export function seededRange(name: string, shape: readonly number[]): { centre: number; spread: number } {
  if (name.endsWith('running_var')) return { centre: 1, spread: 0.5 };
  if (name.endsWith('running_mean')) return { centre: 0, spread: 0.1 };
  // Gemma keeps the scales of its norms as their distance from one.
  if (/(?:language_model|gemma_expert)\..*norm\.weight$/.test(name)) return { centre: 0, spread: 0.2 };
  if (shape.length === 1) {
    return name.endsWith('weight') ? { centre: 1, spread: 0.2 } : { centre: 0, spread: 0.1 };
  }
  // Small beside what the layers add: else each token would be followed by itself.
  if (name.endsWith('language_model.embed_tokens.weight')) {
    return { centre: 0, spread: Math.sqrt(3 / (shape[1] ?? 1)) / 8 };
  }
  if (name.includes('embed')) return { centre: 0, spread: 1 };
  return { centre: 0, spread: Math.sqrt(3 / elementCount(shape.slice(1))) };
}

/** The tensor of that name and shape under the seed. */
export function seededTensor(seed: number, name: string, shape: readonly number[]): Float32Array {
  const stream = streamOf(seed, name);
  const { centre, spread } = seededRange(name, shape);
  const values = new Float32Array(elementCount(shape));
  for (let i = 0; i < values.length; i++) values[i] = centre + spread * uniformAt(stream, i);
  return values;
}

/** RGB bytes of a picture: a smooth pattern under noise, so that a network sees more than noise. */
export function seededPicture(seed: number, name: string, width: number, height: number): Uint8Array {
  const stream = streamOf(seed, name);
  const hashAt = (index: number) => mix32(stream + Math.imul(index, 0x9e3779b1));
  const phase = hashAt(0) % 97;
  return Uint8Array.from({ length: 3 * width * height }, (_, index) => {
    const row = Math.floor(index / (3 * width));
    const column = Math.floor(index / 3) % width;
    const channel = index % 3;
    return ((row * (3 + channel) + column * (5 - channel) + phase) % 128) + (hashAt(index) >>> 25);
  });
}
