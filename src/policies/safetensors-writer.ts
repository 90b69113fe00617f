import { open } from 'node:fs/promises';
import { elementCount } from './safetensors.ts';

/** A float32 tensor about to be written; `values` is called once, when its turn comes, so that few are in memory. */
export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: () => Float32Array;
}

/** Writes a safetensors file of float32 tensors, in the order given. */
export async function writeSafetensors(path: string, tensors: readonly TensorToWrite[]): Promise<void> {
  const header: Record<string, object> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const { name, shape } of tensors) {
    const end = offset + 4 * elementCount(shape);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = await open(path, 'w');
  try {
    await file.writeFile(Buffer.concat([length, json]));
    for (const { values } of tensors) {
      const data = values();
      await file.writeFile(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
  } finally {
    await file.close();
  }
}
