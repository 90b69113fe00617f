import { z } from 'zod';
import { MyelinError } from '../core/errors.ts';

/**
 * A trace file: a header and a ring of fixed-size records, all numbers little-endian.
 *
 *     0   magic "MYTRACE1"
 *     8   u32 bytes of the header, a multiple of 4096; the first record follows
 *     12  u32 bytes of a record
 *     16  u32 records the ring holds
 *     20  u32 bytes of the description
 *     24  description: JSON, UTF-8
 *
 * A record is f64 numbers: its sequence number (1 for the first tick, 0 while it is being written), then one number
 * a column. Record `n` stands in place `(n - 1) % capacity`, so a file that was cut off by a crash has lost nothing
 * but the record that was being written.
 */

export const TRACE_MAGIC = 'MYTRACE1';
const FIXED_BYTES = 24;
const PAGE = 4096;

const numbers = z.array(
  z
    .number()
    .nullable()
    .transform((value) => value ?? Number.NaN),
);

const descriptionSchema = z.object({
  columns: z.array(z.string().min(1)).min(1).max(1000),
  model: z.string(),
  interfaceName: z.string(),
  dof: z.int().min(1).max(16),
  jointNames: z.array(z.string()),
  periodNs: z.number().positive(),
  /** Unix time at which recording began, s. */
  createdS: z.number(),
  limits: z.object({
    positionMin: numbers,
    positionMax: numbers,
    velocityMax: numbers,
    accelerationMax: numbers,
    jerkMax: numbers,
  }),
});

/** What a trace says about itself: its columns in order, the arm, and the limits that were in force (`dof` long). */
export type TraceDescription = z.output<typeof descriptionSchema>;

export interface TraceHeader {
  readonly headerBytes: number;
  readonly recordBytes: number;
  readonly capacity: number;
  readonly description: TraceDescription;
}

/** Bytes of a record: the sequence number and one number a column. */
export const recordBytesOf = (description: TraceDescription): number => 8 * (description.columns.length + 1);

/** The header of a ring of `capacity` records. */
export function encodeTraceHeader(description: TraceDescription, capacity: number): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(description));
  const header = new Uint8Array(PAGE * Math.ceil((FIXED_BYTES + json.length) / PAGE));
  const view = new DataView(header.buffer);
  header.set(new TextEncoder().encode(TRACE_MAGIC));
  for (const [index, value] of [header.length, recordBytesOf(description), capacity, json.length].entries()) {
    view.setUint32(8 + 4 * index, value, true);
  }
  header.set(json, FIXED_BYTES);
  return header;
}

/**
 * Reads a header back. `file` names the source in errors.
 * @throws MyelinError TRACE_INVALID
 */
export function decodeTraceHeader(bytes: Uint8Array, file: string): TraceHeader {
  const invalid = (detail: string, cause?: unknown) =>
    new MyelinError('TRACE_INVALID', { file, detail }, { cause });
  if (bytes.length < FIXED_BYTES || new TextDecoder().decode(bytes.subarray(0, 8)) !== TRACE_MAGIC) {
    throw invalid(`it does not begin with ${TRACE_MAGIC}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [headerBytes = 0, recordBytes = 0, capacity = 0, jsonBytes = 0] = [8, 12, 16, 20].map((at) =>
    view.getUint32(at, true),
  );
  if (headerBytes < FIXED_BYTES + jsonBytes || headerBytes > bytes.length)
    throw invalid('its header is cut off');
  let description: TraceDescription;
  try {
    const json = new TextDecoder().decode(bytes.subarray(FIXED_BYTES, FIXED_BYTES + jsonBytes));
    description = descriptionSchema.parse(JSON.parse(json));
  } catch (cause) {
    throw invalid('its description is damaged', cause);
  }
  if (recordBytes !== recordBytesOf(description)) throw invalid('its records do not fit its columns');
  return { headerBytes, recordBytes, capacity, description };
}
