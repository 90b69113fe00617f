import { fromF16, type TensorType } from '../safetensors.ts';

/** Types that weights come in. */
export type WeightType = 'F32' | 'F16' | 'BF16';

export const isWeightType = (type: TensorType): type is WeightType =>
  type === 'F32' || type === 'F16' || type === 'BF16';

/** Little-endian floats of a file as float32. `bytes` must start at a multiple of four. */
export function widen(bytes: Uint8Array, type: WeightType): Float32Array {
  if (type === 'F32') return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const words = new Uint32Array(halves.length);
  if (type === 'BF16') {
    for (let i = 0; i < words.length; i++) words[i] = (halves[i] as number) << 16;
  } else {
    const table = halfTable();
    for (let i = 0; i < words.length; i++) words[i] = table[halves[i] as number] as number;
  }
  return new Float32Array(words.buffer);
}

let table: Uint32Array | undefined;

/** The float32 bits of every IEEE 754 binary16. */
function halfTable(): Uint32Array {
  table ??= new Uint32Array(Float32Array.from({ length: 65536 }, (_, bits) => fromF16(bits)).buffer);
  return table;
}
