import { NdArray } from './ndarray.ts';

/** What an openpi message is made of: MessagePack's values, and numpy arrays. Scalars of numpy are plain numbers. */
export type WireValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | NdArray
  | readonly WireValue[]
  | WireMap;

/** Keys are text. openpi's own clients send keys as bytes too; they are read as UTF-8. */
export type WireMap = ReadonlyMap<string, WireValue>;

export const isMap = (value: WireValue | undefined): value is WireMap => value instanceof Map;

/** An object as a map to send; entries that are undefined are left out. */
export function wireMap(entries: Readonly<Record<string, WireValue | undefined>>): WireMap {
  const kept = Object.entries(entries).filter(
    (entry): entry is [string, WireValue] => entry[1] !== undefined,
  );
  return new Map(kept);
}

/** Maps as objects and lists as they are, for a schema to check; numpy arrays stay. */
export function toPlain(value: WireValue | undefined): unknown {
  if (isMap(value)) return Object.fromEntries([...value].map(([key, item]) => [key, toPlain(item)]));
  return Array.isArray(value) ? value.map(toPlain) : value;
}

/** Objects as maps, without what is undefined: the way back. @throws TypeError for what no message can hold */
export function fromPlain(value: unknown): WireValue {
  if (value === null || value instanceof Uint8Array || value instanceof NdArray) return value;
  if (Array.isArray(value)) return value.map(fromPlain);
  switch (typeof value) {
    case 'boolean':
    case 'number':
    case 'bigint':
    case 'string':
      return value;
    case 'object': {
      const entries = Object.entries(value).filter(([, item]) => item !== undefined);
      return new Map(entries.map(([key, item]) => [key, fromPlain(item)]));
    }
    default:
      throw new TypeError(`${typeof value} is no message`);
  }
}
