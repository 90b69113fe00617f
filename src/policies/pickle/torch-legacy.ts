import { MyelinError } from '../../core/errors.ts';
import { TENSOR_BYTES } from '../safetensors.ts';
import { type AllowList, type Builder, PickleRefusal } from './allow-list.ts';
import { TORCH, TorchStorage, torchStorage } from './torch.ts';
import { type UnpickleOptions, unpickleAt } from './unpickle.ts';

/** What begins every file of this format, as a pickled integer of ten bytes. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
const COUNT_BYTES = 8;

/** Where a storage lies: an element count of eight bytes, and behind it the elements. */
export interface StoragePlace {
  readonly storage: TorchStorage;
  readonly countAt: number;
  readonly begin: number;
  readonly end: number;
}

/** What a file in the format of PyTorch before 1.6 holds; storages inside messages still have that format. */
export interface LegacyContents {
  readonly value: unknown;
  readonly places: readonly StoragePlace[];
}

/** The first bytes of the format: PROTO 2, LONG1 of ten bytes. */
export const isLegacyTorch = (head: Uint8Array): boolean =>
  head[0] === 0x80 && head[1] === 2 && head[2] === 0x8a && head[3] === 10;

/**
 * Reads the five pickles at the start and works out where the storages behind them lie.
 *
 * @param head the beginning of the file, at least as much as the pickles take
 * @param allow names that what was saved may mention
 * @throws MyelinError PICKLE_FORBIDDEN, PICKLE_INVALID, CHECKPOINT_INVALID
 */
export function readLegacyTorch(head: Uint8Array, source: string, allow: AllowList = TORCH): LegacyContents {
  const invalid = (detail: string) => new MyelinError('CHECKPOINT_INVALID', { file: source, detail });
  const nothing: AllowList = new Map();
  let at = 0;
  const next = (options: Partial<UnpickleOptions> = {}): unknown => {
    const limits = { bytes: head.length };
    const { value, end } = unpickleAt(head, at, { allow: nothing, source, limits, ...options });
    at = end;
    return value;
  };
  if (next() !== MAGIC || next() !== PROTOCOL) throw invalid('it is not a PyTorch file');
  const system = next();
  if (!(system instanceof Map) || system.get('little_endian') !== true)
    throw invalid('its numbers are stored big end first');
  const storages = new Map<string, TorchStorage>();
  const value = next({ allow, persistentLoad: (id) => oneStorage(storages, torchStorage(id)) });
  const keys = next();
  if (!Array.isArray(keys) || keys.length !== storages.size) throw invalid('its list of storages is wrong');
  const places = keys.map((key: unknown): StoragePlace => {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (storage === undefined) throw invalid('its list of storages is wrong');
    const countAt = at;
    const begin = countAt + COUNT_BYTES;
    at = begin + storage.length * TENSOR_BYTES[storage.type];
    return { storage, countAt, begin, end: at };
  });
  return { value, places };
}

/** Several tensors may refer to one storage; they must agree on what it is. @throws PickleRefusal */
export function oneStorage(storages: Map<string, TorchStorage>, storage: TorchStorage): TorchStorage {
  const known = storages.get(storage.key) ?? storage;
  if (known.type !== storage.type || known.length !== storage.length)
    throw new PickleRefusal(`the storage ${storage.key} has two types or lengths`);
  storages.set(storage.key, known);
  return known;
}

/** A storage inside a message: a file of the old format that holds one storage, whose data stays in the message. */
export const loadFromBytes: Builder = {
  make: ([blob]) => {
    if (!(blob instanceof Uint8Array)) throw new PickleRefusal('a storage is not given as bytes');
    const { places } = readLegacyTorch(blob, 'the message');
    const [place] = places;
    if (place === undefined || places.length > 1 || place.end !== blob.length)
      throw new PickleRefusal('the bytes of a storage do not hold one storage');
    const { storage, countAt, begin, end } = place;
    const count = new DataView(blob.buffer, blob.byteOffset).getBigInt64(countAt, true);
    if (count !== BigInt(storage.length)) throw new PickleRefusal('a storage has two lengths');
    return new TorchStorage(storage.type, storage.key, storage.length, blob.subarray(begin, end));
  },
};
