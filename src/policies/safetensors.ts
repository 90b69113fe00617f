import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { z } from 'zod';
import { MyelinError } from '../core/errors.ts';
import type { QuantizedFormat } from './quantize/format.ts';

/** Bytes an element takes, by the name the format gives its type. */
export const TENSOR_BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

export type TensorType = keyof typeof TENSOR_BYTES;

/** Elements in a tensor of that shape. */
export const elementCount = (shape: readonly number[]): number =>
  shape.reduce((product, extent) => product * extent, 1);

/** Where one tensor lies. Offsets are absolute, in bytes. */
export interface TensorEntry {
  readonly name: string;
  /** Real path of the file that holds it: a checkpoint may be spread over several. */
  readonly path: string;
  readonly type: TensorType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A matrix [outputs, inputs] in a quantised file. */
export interface QuantizedMatrix {
  readonly format: QuantizedFormat;
  /** [outputs, blocks, block * bits / 8] bytes. */
  readonly values: TensorEntry;
  /** [outputs, blocks] float32. */
  readonly scales: TensorEntry;
}

/** A safetensors file whose header was read and found sound; the data stays on disk. */
export interface TensorFile {
  /** Real path: caches keep checkpoints behind symbolic links, which the model runtime refuses to follow. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Matrices that another file holds in whole numbers too, by the names they have here. */
  readonly quantized?: ReadonlyMap<string, QuantizedMatrix>;
}

/** The reference implementation refuses longer headers too. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;

const entrySchema = z.strictObject({
  dtype: z.enum(Object.keys(TENSOR_BYTES) as [TensorType, ...TensorType[]]),
  shape: z.array(z.int().nonnegative()).max(16),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});
const metadataSchema = z.record(z.string(), z.string());

/**
 * Checks and reads a header. Every tensor must lie inside the file and be as long as its shape says; together
 * they must fill the file with no gap and no overlap, as the format demands.
 *
 * @param json the header's text, without the eight length bytes before it
 * @throws MyelinError CHECKPOINT_INVALID, TENSOR_INVALID
 */
export function parseSafetensorsHeader(path: string, json: string, fileBytes: number): TensorFile {
  const dataStart = LENGTH_BYTES + Buffer.byteLength(json);
  const tensors: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(headerObject(path, json))) {
    if (name === '__metadata__') {
      const parsed = metadataSchema.safeParse(value);
      if (!parsed.success) throw invalid(path, '"__metadata__" must map strings to strings');
      metadata = parsed.data;
    } else {
      tensors.push(tensorEntry(path, name, value, dataStart));
    }
  }
  checkCoverage(path, tensors, dataStart, fileBytes);
  return { path, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), metadata };
}

/**
 * Opens a file and reads its header.
 * @throws MyelinError FILE_NOT_FOUND, CHECKPOINT_INVALID, TENSOR_INVALID
 */
export async function openSafetensors(file: string): Promise<TensorFile> {
  const path = await realpath(file).catch((cause: unknown) => {
    throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
  });
  // Opening a pipe would wait for whoever writes to it.
  if (!(await stat(path)).isFile()) throw invalid(path, 'it is not a file');
  const handle = await open(path).catch((cause: unknown) => {
    throw invalid(path, 'it cannot be opened', cause);
  });
  try {
    const { size } = await handle.stat();
    if (size < LENGTH_BYTES) throw invalid(path, `it is ${size} bytes long, too short for a header`);
    const length = (await readExactly(handle, path, 0, LENGTH_BYTES)).readBigUInt64LE();
    if (length > BigInt(Math.min(MAX_HEADER_BYTES, size - LENGTH_BYTES))) {
      throw invalid(path, `its header claims ${length} bytes, the file has ${size}`);
    }
    const bytes = await readExactly(handle, path, LENGTH_BYTES, Number(length));
    return parseSafetensorsHeader(path, decodeUtf8(path, bytes), size);
  } finally {
    await handle.close();
  }
}

/**
 * Reads one floating-point tensor into memory, widened to f64 (small ones: statistics, not weights).
 * @throws MyelinError TENSOR_INVALID for other element types
 */
export async function readTensor(tensor: TensorEntry): Promise<Float64Array> {
  const handle = await open(tensor.path);
  try {
    const bytes = await readExactly(handle, tensor.path, tensor.begin, tensor.end - tensor.begin);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = TENSOR_BYTES[tensor.type];
    const read = elementReader(tensor, view);
    return Float64Array.from({ length: bytes.byteLength / size }, (_, i) => read(i * size));
  } finally {
    await handle.close();
  }
}

const invalid = (file: string, detail: string, cause?: unknown) =>
  new MyelinError('CHECKPOINT_INVALID', { file, detail }, { cause });

const wrongTensor = (file: string, tensor: string, detail: string) =>
  new MyelinError('TENSOR_INVALID', { file, tensor, detail });

function headerObject(path: string, json: string): object {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw invalid(path, 'its header is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(path, 'its header is not a JSON object');
  }
  return value;
}

function tensorEntry(path: string, name: string, value: unknown, dataStart: number): TensorEntry {
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw wrongTensor(path, name, `${issue?.path.join('.') || 'entry'}: ${issue?.message ?? 'not valid'}`);
  }
  const { dtype: type, shape, data_offsets: offsets } = parsed.data;
  const expected = shape.reduce((product, extent) => product * extent, TENSOR_BYTES[type]);
  const found = offsets[1] - offsets[0];
  if (expected !== found) {
    throw wrongTensor(path, name, `[${shape.join(', ')}] of ${type} takes ${expected} bytes, not ${found}`);
  }
  return { name, path, type, shape, begin: dataStart + offsets[0], end: dataStart + offsets[1] };
}

function checkCoverage(
  path: string,
  tensors: readonly TensorEntry[],
  start: number,
  fileBytes: number,
): void {
  let at = start;
  for (const tensor of [...tensors].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (tensor.begin < at) throw wrongTensor(path, tensor.name, 'it overlaps the tensor before it');
    if (tensor.begin > at)
      throw wrongTensor(path, tensor.name, `a gap of ${tensor.begin - at} bytes before it`);
    if (tensor.end > fileBytes) {
      throw wrongTensor(
        path,
        tensor.name,
        `it ends at byte ${tensor.end}, the file is truncated at ${fileBytes}`,
      );
    }
    at = tensor.end;
  }
  if (at !== fileBytes) throw invalid(path, `its tensors end at byte ${at}, the file at ${fileBytes}`);
}

function decodeUtf8(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw invalid(path, 'its header is not UTF-8', cause);
  }
}

async function readExactly(handle: FileHandle, path: string, position: number, length: number) {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) throw invalid(path, `it ends at byte ${position + done}`);
    done += bytesRead;
  }
  return buffer;
}

const word = new DataView(new ArrayBuffer(4));

/** bfloat16 is the upper half of a float32. */
const fromBf16 = (bits: number): number => {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
};

/** IEEE 754 binary16. */
export const fromF16 = (bits: number): number => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
};

function elementReader(tensor: TensorEntry, view: DataView): (offset: number) => number {
  switch (tensor.type) {
    case 'F64':
      return (offset) => view.getFloat64(offset, true);
    case 'F32':
      return (offset) => view.getFloat32(offset, true);
    case 'F16':
      return (offset) => fromF16(view.getUint16(offset, true));
    case 'BF16':
      return (offset) => fromBf16(view.getUint16(offset, true));
    default:
      throw wrongTensor(tensor.path, tensor.name, `${tensor.type} is not a floating-point type`);
  }
}
