import { open } from 'node:fs/promises';
import { elementCount, TENSOR_BYTES, type TensorEntry } from './safetensors.ts';

/** Types weights are stored in. */
export type StorageType = 'F32' | 'BF16';

/** A tensor about to be written; `values` is called once, when its turn comes, so that few are in memory. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  /** Default F32; BF16 rounds to nearest, ties to even. */
  readonly type?: StorageType;
  readonly values: () => Float32Array;
}

/** Writes a safetensors file, in the order given. */
export async function writeSafetensors(path: string, tensors: readonly TensorToWrite[]): Promise<void> {
  const header = safetensorsHeader(
    tensors.map(({ name, shape, type = 'F32' }) => ({ name, shape, type })),
    { format: 'pt' },
  );
  const file = await open(path, 'w');
  try {
    await file.writeFile(header.bytes);
    for (const { values, type } of tensors) {
      const floats = values();
      const data = type === 'BF16' ? toBf16(floats) : floats;
      await file.writeFile(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  } finally {
    await file.close();
  }
}

export interface SafetensorsHeader {
  /** What the file begins with. */
  readonly bytes: Uint8Array;
  /** Where each tensor begins, bytes from the start of the file. */
  readonly begins: ReadonlyMap<string, number>;
  /** Length of the whole file, bytes. */
  readonly end: number;
}

/** Data starts at a multiple of this, bytes; spaces fill the header up. */
const ALIGNMENT = 64;

/** The head of a file of those tensors, one after the other. */
export function safetensorsHeader(
  tensors: readonly Pick<TensorEntry, 'name' | 'shape' | 'type'>[],
  metadata: Readonly<Record<string, string>>,
): SafetensorsHeader {
  const header: Record<string, object> = { __metadata__: metadata };
  const offsets = new Map<string, number>();
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    const end = offset + TENSOR_BYTES[type] * elementCount(shape);
    header[name] = { dtype: type, shape, data_offsets: [offset, end] };
    offsets.set(name, offset);
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  const start = Math.ceil((8 + json.length) / ALIGNMENT) * ALIGNMENT;
  const bytes = Buffer.alloc(start, ' ');
  bytes.writeBigUInt64LE(BigInt(start - 8));
  json.copy(bytes, 8);
  return {
    bytes,
    begins: new Map([...offsets].map(([name, begin]) => [name, start + begin])),
    end: start + offset,
  };
}

/** The upper half of each float32, rounded to nearest, ties to even. */
export function toBf16(floats: Float32Array): Uint16Array {
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const halves = new Uint16Array(floats.length);
  for (let i = 0; i < halves.length; i++) {
    const word = bits[i] as number;
    halves[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return halves;
}
