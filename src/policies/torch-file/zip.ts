import type { FileReader } from './file-reader.ts';

/** A file inside a zip file. */
export interface ZipEntry {
  readonly name: string;
  /** Absolute place of its bytes. */
  readonly begin: number;
  readonly end: number;
  /** Whether it is compressed or encrypted, so that its bytes are not what it holds. */
  readonly packed: boolean;
}

const END_RECORD = 0x06054b50;
const END_RECORD_BYTES = 22;
const MAX_COMMENT = 0xffff;
const END_RECORD_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const LOCATOR_64_BYTES = 20;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_ENTRY_BYTES = 46;
const LOCAL_ENTRY = 0x04034b50;
const LOCAL_ENTRY_BYTES = 30;
/** A field of four bytes that says: see the eight-byte field. */
const IN_64 = 0xffffffff;
const EXTRA_64 = 1;
const STORED = 0;
/** A directory of 64 MiB lists about half a million files. */
const MAX_DIRECTORY_BYTES = 64 * 2 ** 20;

/**
 * Lists a zip file, also one of more than 4 GiB (zip64). `torch.save` stores what is in it as it is, so that its bytes
 * can be read in place.
 *
 * @throws MyelinError CHECKPOINT_INVALID
 */
export async function readZip(file: FileReader): Promise<ReadonlyMap<string, ZipEntry>> {
  const { begin, bytes, count } = await findDirectory(file);
  if (bytes > MAX_DIRECTORY_BYTES) throw file.invalid(`its list of contents is ${bytes} bytes long`);
  const directory = await file.read(begin, bytes);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    const { entry, localAt, next } = directoryEntry(file, directory, at);
    if (entries.has(entry.name)) throw file.invalid(`it holds "${entry.name}" twice`);
    const start = await dataBegin(file, localAt);
    const end = start + entry.bytes;
    if (end > begin) throw file.invalid(`"${entry.name}" reaches beyond the list of contents`);
    entries.set(entry.name, { name: entry.name, begin: start, end, packed: entry.packed });
    at = next;
  }
  return entries;
}

async function findDirectory(file: FileReader): Promise<{ begin: number; bytes: number; count: number }> {
  const tailBytes = Math.min(file.bytes, END_RECORD_BYTES + MAX_COMMENT);
  const tailAt = file.bytes - tailBytes;
  const tail = await file.read(tailAt, tailBytes);
  let at = tailBytes - END_RECORD_BYTES;
  while (at >= 0 && tail.readUInt32LE(at) !== END_RECORD) at--;
  if (at < 0) throw file.invalid('it is not a zip file, or its end is missing');
  const count = tail.readUInt16LE(at + 10);
  const bytes = tail.readUInt32LE(at + 12);
  const begin = tail.readUInt32LE(at + 16);
  const endRecordAt = tailAt + at;
  const locatorAt = at - LOCATOR_64_BYTES;
  const has64 = locatorAt >= 0 && tail.readUInt32LE(locatorAt) === LOCATOR_64;
  if (!has64) return inside(file, { begin, bytes, count }, endRecordAt);
  const record = await file.read(safe(file, tail.readBigUInt64LE(locatorAt + 8)), 56);
  if (record.readUInt32LE(0) !== END_RECORD_64) throw file.invalid('its 64-bit end is missing');
  return inside(
    file,
    {
      count: safe(file, record.readBigUInt64LE(32)),
      bytes: safe(file, record.readBigUInt64LE(40)),
      begin: safe(file, record.readBigUInt64LE(48)),
    },
    endRecordAt,
  );
}

function inside<T extends { begin: number; bytes: number }>(file: FileReader, place: T, end: number): T {
  if (place.begin + place.bytes > end) throw file.invalid('its list of contents lies beyond its end');
  return place;
}

function safe(file: FileReader, value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw file.invalid(`it claims ${value} bytes`);
  return Number(value);
}

function directoryEntry(file: FileReader, directory: Buffer, at: number) {
  if (at + DIRECTORY_ENTRY_BYTES > directory.length || directory.readUInt32LE(at) !== DIRECTORY_ENTRY)
    throw file.invalid('its list of contents is damaged');
  const nameBytes = directory.readUInt16LE(at + 28);
  const extraBytes = directory.readUInt16LE(at + 30);
  const commentBytes = directory.readUInt16LE(at + 32);
  const nameAt = at + DIRECTORY_ENTRY_BYTES;
  const next = nameAt + nameBytes + extraBytes + commentBytes;
  if (next > directory.length) throw file.invalid('its list of contents is damaged');
  const name = directory.toString('utf8', nameAt, nameAt + nameBytes);
  const flags = directory.readUInt16LE(at + 8);
  const packed = directory.readUInt16LE(at + 10) !== STORED || (flags & 1) !== 0;
  const held = directory.readUInt32LE(at + 20);
  const size = directory.readUInt32LE(at + 24);
  const offset = directory.readUInt32LE(at + 42);
  const extra = directory.subarray(nameAt + nameBytes, nameAt + nameBytes + extraBytes);
  const [unpacked, bytes, localAt] = wide(file, extra, [size, held, offset]);
  if (!packed && bytes !== unpacked) throw file.invalid(`"${name}" in it has two sizes`);
  return { entry: { name, bytes, packed }, localAt, next };
}

/** The values themselves, or from the zip64 extra field, which holds in this order those that need it. */
function wide(file: FileReader, extra: Buffer, values: [number, number, number]): [number, number, number] {
  if (!values.includes(IN_64)) return values;
  let at = 0;
  while (at + 4 <= extra.length && extra.readUInt16LE(at) !== EXTRA_64) at += 4 + extra.readUInt16LE(at + 2);
  let place = at + 4;
  const widened = values.map((value) => {
    if (value !== IN_64) return value;
    if (place + 8 > extra.length) throw file.invalid('a 64-bit size in it is missing');
    place += 8;
    return safe(file, extra.readBigUInt64LE(place - 8));
  });
  return widened as [number, number, number];
}

/** The local header repeats the name and may be longer than the directory's, so only it tells where data begins. */
async function dataBegin(file: FileReader, localAt: number): Promise<number> {
  const header = await file.read(localAt, LOCAL_ENTRY_BYTES);
  if (header.readUInt32LE(0) !== LOCAL_ENTRY) throw file.invalid('a file in it has no header');
  return localAt + LOCAL_ENTRY_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
}
