import { MyelinError } from '../../core/errors.ts';
import { type AllowList, PickleRefusal } from '../pickle/allow-list.ts';
import { NUMPY } from '../pickle/numpy.ts';
import {
  isContiguous,
  TORCH,
  type TorchStorage,
  type TorchTensor,
  tensorSpan,
  torchStorage,
} from '../pickle/torch.ts';
import { isLegacyTorch, oneStorage, readLegacyTorch } from '../pickle/torch-legacy.ts';
import { unpickle } from '../pickle/unpickle.ts';
import { TENSOR_BYTES, type TensorEntry } from '../safetensors.ts';
import { FileReader } from './file-reader.ts';
import { readZip, type ZipEntry } from './zip.ts';

/** A tensor in a PyTorch file. Without `strides` it lies in row-major order between `begin` and `end`. */
export interface StridedEntry extends TensorEntry {
  /** In elements: [i, j, …] lies `i * strides[0] + j * strides[1] + …` elements behind `begin`. */
  readonly strides?: readonly number[];
}

/** What `torch.save` wrote, read as data: nothing in it was run. Its tensors stay on disk. */
export interface TorchFile {
  /** Real path. */
  readonly path: string;
  /** What was saved: dictionaries as maps, tensors as {@link TorchTensor}. */
  readonly value: unknown;
  /** Where a tensor found in `value` lies. @throws MyelinError TENSOR_INVALID when the file does not hold all of it */
  locate(name: string, tensor: TorchTensor): StridedEntry;
}

type Places = ReadonlyMap<string, { readonly begin: number; readonly end: number }>;

const ALLOW: AllowList = new Map([...TORCH, ...NUMPY]);
const MAX_PICKLE_BYTES = 64 * 2 ** 20;
const ZIP_START = 0x04034b50;
const TAR_MARK_AT = 257;

/**
 * Opens a `.pt`, `.pth`, `.bin` or `.ckpt` file that `torch.save` wrote: the zip format, or the one before 1.6.
 *
 * @throws MyelinError FILE_NOT_FOUND, CHECKPOINT_INVALID, CHECKPOINT_UNSUPPORTED, PICKLE_FORBIDDEN, PICKLE_INVALID
 */
export async function openTorchFile(file: string): Promise<TorchFile> {
  const reader = await FileReader.open(file);
  try {
    const head = await reader.read(0, Math.min(reader.bytes, 512));
    if (head.length >= 4 && head.readUInt32LE() === ZIP_START) return await openZip(reader);
    if (isLegacyTorch(head)) return await openLegacy(reader);
    if (head.toString('latin1', TAR_MARK_AT, TAR_MARK_AT + 5) === 'ustar') {
      throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
        file: reader.path,
        feature: 'the tar format of PyTorch before 0.1.10',
        advice: 'Save it again with a newer PyTorch.',
      });
    }
    throw reader.invalid('it is not a file that torch.save wrote');
  } finally {
    await reader.close();
  }
}

async function openZip(reader: FileReader): Promise<TorchFile> {
  const entries = await readZip(reader);
  const pickles = [...entries.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1) throw reader.invalid('it does not hold one data.pkl');
  const root = pickle.name.slice(0, -'data.pkl'.length);
  if (entries.has(`${root}constants.pkl`)) {
    throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
      file: reader.path,
      feature: 'a TorchScript program',
      advice: 'Save the state dict (torch.save(model.state_dict(), ...)): programs are never run.',
    });
  }
  const order = entries.get(`${root}byteorder`);
  if (order !== undefined && (await readText(reader, order)) !== 'little')
    throw reader.invalid('its numbers are stored big end first');
  const storages = new Map<string, TorchStorage>();
  const places = new Map<string, ZipEntry>();
  const value = unpickle(await readSmall(reader, pickle), {
    allow: ALLOW,
    source: reader.path,
    persistentLoad: (id) => {
      const storage = oneStorage(storages, torchStorage(id));
      const place = entries.get(`${root}data/${storage.key}`);
      const bytes = storage.length * TENSOR_BYTES[storage.type];
      if (place === undefined || place.packed || place.end - place.begin !== bytes)
        throw new PickleRefusal(`the storage ${storage.key} of ${bytes} bytes is not in the file`);
      places.set(storage.key, place);
      return storage;
    },
  });
  return torchFile(reader.path, value, places);
}

async function readSmall(reader: FileReader, { name, begin, end, packed }: ZipEntry): Promise<Uint8Array> {
  if (packed) throw reader.invalid(`"${name}" in it is compressed or encrypted`);
  if (end - begin > MAX_PICKLE_BYTES) throw reader.invalid(`"${name}" in it is ${end - begin} bytes long`);
  return reader.read(begin, end - begin);
}

const readText = async (reader: FileReader, entry: ZipEntry) =>
  Buffer.from(await readSmall(reader, entry)).toString('latin1');

async function openLegacy(reader: FileReader): Promise<TorchFile> {
  const head = await reader.read(0, Math.min(reader.bytes, MAX_PICKLE_BYTES));
  const contents = readLegacyTorch(head, reader.path, ALLOW);
  const places = new Map<string, { begin: number; end: number }>();
  for (const { storage, countAt, begin, end } of contents.places) {
    const count = (await reader.read(countAt, 8)).readBigInt64LE();
    if (count !== BigInt(storage.length) || end > reader.bytes)
      throw reader.invalid(`the storage ${storage.key} of ${storage.length} elements is not all there`);
    places.set(storage.key, { begin, end });
  }
  return torchFile(reader.path, contents.value, places);
}

function torchFile(path: string, value: unknown, places: Places): TorchFile {
  return {
    path,
    value,
    locate: (name, tensor) => {
      const place = places.get(tensor.storage.key);
      const wrong = (detail: string, cause?: unknown) =>
        new MyelinError('TENSOR_INVALID', { file: path, tensor: name, detail }, { cause });
      if (place === undefined) throw wrong('its storage is not in the file');
      const { type, shape, strides } = tensor;
      try {
        const span = tensorSpan(tensor);
        const entry = {
          name,
          path,
          type,
          shape,
          begin: place.begin + span.begin,
          end: place.begin + span.end,
        };
        return isContiguous(tensor) ? entry : { ...entry, strides };
      } catch (cause) {
        if (cause instanceof PickleRefusal) throw wrong(cause.message, cause);
        throw cause;
      }
    },
  };
}
