/** A small seeded generator (mulberry32), so that a case can be named and repeated. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1. */
  unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let word = this.#state;
    word = Math.imul(word ^ (word >>> 15), word | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.unit() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

const deep = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);

/** Values that parsers stumble over. */
const HOSTILE: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  2,
  3,
  7,
  0.5,
  1e308,
  -1e308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  1e15,
  100_000,
  '',
  '0',
  '-1',
  'NaN',
  '__proto__',
  'constructor',
  '../../etc/passwd',
  '/etc/passwd',
  'a\0b',
  '\ud800',
  'x'.repeat(100_000),
  '(a+)+$',
  [],
  {},
  [[]],
  [null],
  [0],
  [-1],
  [1e9, 1e9],
  deep(1000),
  Array(10_000).fill(1),
  { type: 'act' },
  { toString: 1 },
];

const NAMES = HOSTILE.filter((value) => typeof value === 'string');

type Container = Record<string, unknown> | unknown[];

const isContainer = (value: unknown): value is Container => typeof value === 'object' && value !== null;

/** Every place in a JSON value: the container, and the key in it. */
function places(value: unknown, found: [Container, string][] = []): [Container, string][] {
  if (!isContainer(value)) return found;
  for (const key of Object.keys(value)) {
    found.push([value, key]);
    if (found.length < 20_000) places((value as Record<string, unknown>)[key], found);
  }
  return found;
}

const BRACKETS = 100_000;

/** A JSON text with a value so deep inside others that a parser which calls itself would run out of stack. */
function deepJson(text: string, dice: Dice): string {
  const keys = [...text.matchAll(/"[^"\\]*":/g)];
  if (keys.length === 0) return text;
  const { index, 0: key } = dice.pick(keys);
  const at = index + key.length;
  return `${text.slice(0, at)}${'['.repeat(BRACKETS)}${']'.repeat(BRACKETS)},"after":${text.slice(at)}`;
}

/** A JSON text with one to three of its values changed, removed, renamed or exchanged. */
export function mutateJson(text: string, dice: Dice): string {
  if (dice.below(50) === 0) return deepJson(text, dice);
  const value: unknown = JSON.parse(text);
  for (let changes = 1 + dice.below(3); changes > 0; changes--) {
    const all = places(value);
    if (all.length === 0) break;
    const [container, key] = dice.pick(all);
    const record = container as Record<string, unknown>;
    switch (dice.below(6)) {
      case 0:
        delete record[key];
        break;
      case 1: {
        const [other, otherKey] = dice.pick(all);
        record[key] = copy((other as Record<string, unknown>)[otherKey]);
        break;
      }
      case 2:
        if (!Array.isArray(container)) {
          record[dice.pick(NAMES)] = record[key];
          delete record[key];
        }
        break;
      case 3: {
        const number = record[key];
        record[key] =
          typeof number === 'number' ? dice.pick([number + 1, number - 1, -number, number * 1e6]) : null;
        break;
      }
      default:
        record[key] = copy(dice.pick(HOSTILE));
    }
  }
  return JSON.stringify(value);
}

/** So that no value comes to hold itself, and the list above stays as it is. */
const copy = (value: unknown): unknown => (isContainer(value) ? JSON.parse(JSON.stringify(value)) : value);

/** Bytes changed, cut off, repeated or put in. */
export function mutateBytes(bytes: Buffer, dice: Dice, within = bytes.length): Buffer {
  let result = Buffer.from(bytes);
  for (let changes = 1 + dice.below(4); changes > 0 && result.length > 0; changes--) {
    const at = dice.below(Math.min(within, result.length));
    switch (dice.below(5)) {
      case 0:
        result = result.subarray(0, at);
        break;
      case 1: {
        const length = dice.below(16);
        result = Buffer.concat([result.subarray(0, at), result.subarray(at + length)]);
        break;
      }
      case 2: {
        const inserted = Buffer.from(Array.from({ length: 1 + dice.below(16) }, () => dice.below(256)));
        result = Buffer.concat([result.subarray(0, at), inserted, result.subarray(at)]);
        break;
      }
      default:
        result[at] = dice.below(256);
    }
  }
  return result;
}

/** A safetensors file with another header, the data behind it as it was. */
export function mutateSafetensors(bytes: Buffer, dice: Dice): Buffer {
  const length = Number(bytes.readBigUInt64LE());
  if (dice.below(3) === 0) return mutateBytes(bytes, dice, dice.below(2) === 0 ? 16 : length + 8);
  const header = Buffer.from(mutateJson(bytes.toString('utf8', 8, 8 + length), dice));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([prefix, header, bytes.subarray(8 + length)]);
}
