import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { openSafetensors, type TensorEntry, type TensorFile } from '../safetensors.ts';
import { readFloats } from './floats.ts';
import { type LoraConfig, readLoraConfig } from './lora-config.ts';

/** A low-rank change to one matrix: `scale * B A`, A [rank, inputs], B [outputs, rank]. */
export interface LowRankChange {
  readonly a: TensorEntry;
  readonly b: TensorEntry;
  readonly scale: number;
}

export interface LoraAdapter {
  readonly config: LoraConfig;
  /** By the name of the base tensor each changes. */
  readonly changes: ReadonlyMap<string, LowRankChange>;
  /** Tensors that were trained whole and take the place of the base's. */
  readonly replaced: ReadonlyMap<string, TensorEntry>;
}

const ROOT = 'base_model.model.';
const PART = /^(.+)\.lora_([AB])(?:\.default)?\.weight$/;

/** @throws MyelinError FILE_NOT_FOUND, CONFIG_INVALID, CHECKPOINT_INVALID, CHECKPOINT_UNSUPPORTED, TENSOR_INVALID */
export async function openLoraAdapter(folder: string): Promise<LoraAdapter> {
  const config = await readLoraConfig(folder);
  const file = await openSafetensors(join(folder, 'adapter_model.safetensors'));
  const parts = new Map<string, { a?: TensorEntry; b?: TensorEntry }>();
  const replaced = new Map<string, TensorEntry>();
  for (const [full, entry] of file.tensors) {
    if (!full.startsWith(ROOT)) throw wrong(file, full, `its name does not begin with ${ROOT}`);
    const name = full.slice(ROOT.length);
    const [, module, which] = PART.exec(name) ?? [];
    if (module === undefined) {
      if (/\.lora_|\.ranknum/.test(name))
        throw wrong(file, full, 'this kind of adapter layer is not supported');
      replaced.set(name.replace('.modules_to_save.default.', '.').replace('.modules_to_save.', '.'), entry);
    } else {
      parts.set(module, { ...parts.get(module), [which === 'A' ? 'a' : 'b']: entry });
    }
  }
  const changes = new Map(
    [...parts].map(([module, { a, b }]) => {
      if (a === undefined || b === undefined)
        throw wrong(file, `${ROOT}${module}`, `its lora_${a === undefined ? 'A' : 'B'} is missing`);
      const rank = a.shape[0] ?? 0;
      if (a.shape.length !== 2 || b.shape.length !== 2 || b.shape[1] !== rank || rank === 0)
        throw wrong(file, b.name, `[${b.shape.join(', ')}] does not fit [${a.shape.join(', ')}]`);
      return [`${module}.weight`, { a, b, scale: config.scale(module, rank) }] as const;
    }),
  );
  return { config, changes, replaced };
}

/**
 * The base matrix with the change added: W + scale * B A, or its transpose where matrices are stored so.
 * @throws MyelinError TENSOR_INVALID when the shapes do not fit
 */
export async function mergedMatrix(
  base: TensorEntry,
  { a, b, scale }: LowRankChange,
  transposed: boolean,
): Promise<Float32Array> {
  const [rank = 0, inputs = 0] = a.shape;
  const [outputs = 0] = b.shape;
  const expected = transposed ? [inputs, outputs] : [outputs, inputs];
  if (base.shape.join() !== expected.join()) {
    const detail = `the adapter changes [${expected.join(', ')}], the base has [${base.shape.join(', ')}]`;
    throw new MyelinError('TENSOR_INVALID', { file: base.path, tensor: base.name, detail });
  }
  const [weights, left, right] = [await readFloats(base), await readFloats(b), await readFloats(a)];
  if (transposed) addTransposed(weights, left, right, { outputs, inputs, rank, scale });
  else addProduct(weights, left, right, { outputs, inputs, rank, scale });
  return weights;
}

interface Sizes {
  readonly outputs: number;
  readonly inputs: number;
  readonly rank: number;
  readonly scale: number;
}

/** `weights[o, i] += scale * sum over k of b[o, k] * a[k, i]`, summed in double precision. */
function addProduct(weights: Float32Array, b: Float32Array, a: Float32Array, sizes: Sizes): void {
  const { outputs, inputs, rank, scale } = sizes;
  const row = new Float64Array(inputs);
  for (let o = 0; o < outputs; o++) {
    row.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = scale * (b[o * rank + k] as number);
      for (let i = 0; i < inputs; i++) row[i] = (row[i] as number) + factor * (a[k * inputs + i] as number);
    }
    for (let i = 0; i < inputs; i++)
      weights[o * inputs + i] = (weights[o * inputs + i] as number) + (row[i] as number);
  }
}

function addTransposed(weights: Float32Array, b: Float32Array, a: Float32Array, sizes: Sizes): void {
  const { outputs, inputs, rank, scale } = sizes;
  for (let i = 0; i < inputs; i++) {
    for (let o = 0; o < outputs; o++) {
      let sum = 0;
      for (let k = 0; k < rank; k++) sum += (b[o * rank + k] as number) * (a[k * inputs + i] as number);
      weights[i * outputs + o] = (weights[i * outputs + o] as number) + scale * sum;
    }
  }
}

const wrong = (file: TensorFile, tensor: string, detail: string) =>
  new MyelinError('TENSOR_INVALID', { file: file.path, tensor, detail });
