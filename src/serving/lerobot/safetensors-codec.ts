import { z } from 'zod';
import { MyelinError, toMyelinError } from '../../core/errors.ts';
import { parseSafetensorsHeader, type TensorEntry } from '../../policies/safetensors.ts';
import { safetensorsHeader } from '../../policies/safetensors-writer.ts';
import { actionRow, checked, policyConfig, policyConfigAttributes, timedObservation } from './fields.ts';
import type { LeRobotCodec } from './messages.ts';
import { isWireArray, numbersOf, type WireArray } from './wire-array.ts';

const LENGTH_BYTES = 4;
const MAX_JSON_BYTES = 2 ** 22;
const HEADER_LENGTH_BYTES = 8;
const MAX_HEADER_BYTES = 2 ** 20;

const invalid = (detail: string) => new MyelinError('MESSAGE_INVALID', { detail });

const typeSchema = z.looseObject({ type: z.string() });
const observationSchema = z.looseObject({ scalar_data: z.record(z.string(), z.unknown()) });
const actionsSchema = z.looseObject({
  actions: z.array(z.record(z.string(), z.unknown())).min(1).max(10_000),
});

/**
 * The form announced in huggingface/lerobot pull request 3048: length of the JSON (four bytes, big end first), JSON,
 * and the arrays as safetensors.
 */
export const safetensorsCodec: LeRobotCodec = {
  name: 'safetensors',
  readPolicyConfig: (bytes) => policyConfig(unpack(bytes, 'RemotePolicyConfig').json),
  readObservation: (bytes) => {
    const { json, arrays } = unpack(bytes, 'TimedObservation');
    const { scalar_data: scalars } = checked('TimedObservation', observationSchema, json);
    return timedObservation(json, [...Object.entries(scalars), ...arrays]);
  },
  readActions: (bytes) => {
    const { json, arrays } = unpack(bytes, 'TimedActions');
    const list = checked('TimedActions', actionsSchema, json).actions;
    const vectors = list.map((_, i) => {
      const array = arrays.get(`action_${i}`);
      if (array === undefined) throw invalid(`TimedActions: there is no action_${i}`);
      return numbersOf(array);
    });
    const dof = vectors[0]?.length ?? 0;
    if (dof === 0 || vectors.some(({ length }) => length !== dof))
      throw invalid('TimedActions: actions of different lengths');
    const actions = new Float32Array(dof * vectors.length);
    for (const [row, vector] of vectors.entries()) actions.set(vector, row * dof);
    return { actions, dof, rows: list.map((each) => actionRow(each)) };
  },
  writePolicyConfig: (config) => pack({ type: 'RemotePolicyConfig', ...policyConfigAttributes(config) }),
  writeObservation: ({ timestampS, timestep, mustGo, values }) => {
    const arrays = [...values].filter((entry): entry is [string, WireArray] => isWireArray(entry[1]));
    const scalars = [...values].filter(([, value]) => typeof value === 'number' || typeof value === 'string');
    const json = {
      type: 'TimedObservation',
      timestamp: timestampS,
      timestep,
      must_go: mustGo,
      scalar_data: Object.fromEntries(scalars),
      numpy_keys: arrays.map(([key]) => key),
    };
    return pack(json, new Map(arrays));
  },
  writeActions: ({ actions, dof, rows }) => {
    const bytes = new Uint8Array(actions.buffer, actions.byteOffset, actions.byteLength);
    const arrays = rows.map((_, row): [string, WireArray] => [
      `action_${row}`,
      { type: 'F32', shape: [dof], bytes: bytes.subarray(4 * row * dof, 4 * (row + 1) * dof) },
    ]);
    const timed = rows.map(({ timestampS: timestamp, timestep }) => ({ timestamp, timestep }));
    return pack({ type: 'TimedActions', actions: timed }, new Map(arrays));
  },
};

function pack(json: object, arrays: ReadonlyMap<string, WireArray> = new Map()): Uint8Array {
  const text = Buffer.from(JSON.stringify(json));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(text.length);
  if (arrays.size === 0) return Buffer.concat([length, text]);
  const header = safetensorsHeader(
    [...arrays].map(([name, { shape, type }]) => ({ name, shape, type })),
    {},
  );
  return Buffer.concat([length, text, header.bytes, ...[...arrays.values()].map(({ bytes }) => bytes)]);
}

function unpack(
  bytes: Uint8Array,
  type: string,
): { json: Record<string, unknown>; arrays: ReadonlyMap<string, WireArray> } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length < LENGTH_BYTES ? Number.POSITIVE_INFINITY : view.getUint32(0);
  if (length > Math.min(MAX_JSON_BYTES, bytes.length - LENGTH_BYTES))
    throw invalid(`its ${bytes.length} bytes do not hold the JSON they announce`);
  const json = parse(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
  const found = checked('the message', typeSchema, json).type;
  if (found !== type) throw invalid(`it is a "${found.slice(0, 40)}", not a ${type}`);
  return { json, arrays: readArrays(bytes.subarray(LENGTH_BYTES + length)) };
}

function parse(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    throw invalid('its JSON cannot be read');
  }
  throw invalid('its JSON is not an object');
}

function readArrays(bytes: Uint8Array): ReadonlyMap<string, WireArray> {
  if (bytes.length === 0) return new Map();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length < HEADER_LENGTH_BYTES ? -1 : Number(view.getBigUint64(0, true));
  if (!(length >= 2 && length <= Math.min(MAX_HEADER_BYTES, bytes.length - HEADER_LENGTH_BYTES)))
    throw invalid('its arrays have no readable header');
  const text = Buffer.from(bytes.subarray(HEADER_LENGTH_BYTES, HEADER_LENGTH_BYTES + length)).toString(
    'latin1',
  );
  if (/[^ -~\s]/.test(text)) throw invalid('the header of its arrays is not plain text');
  let tensors: ReadonlyMap<string, TensorEntry>;
  try {
    ({ tensors } = parseSafetensorsHeader('the message', text, bytes.length));
  } catch (cause) {
    throw invalid(toMyelinError(cause).message);
  }
  return new Map(
    [...tensors].map(([name, { type, shape, begin, end }]) => [
      name,
      { type, shape, bytes: bytes.subarray(begin, end) },
    ]),
  );
}
