import type { FileHandle } from 'node:fs/promises';
import {
  type Entry,
  fromRandomAccessReader,
  type LocalFileHeader,
  RandomAccessReader,
  type ZipFile,
} from 'yauzl';
import { MyelinError } from '../../core/errors.ts';
import { readEntryName } from './entry-name.ts';
import { brokenByType, isExecutable } from './entry-type.ts';
import type { ArchiveLimits } from './limits.ts';
import { NameSet } from './name-set.ts';
import { refusal } from './refusal.ts';

/** A file or folder of an archive that has passed every rule which needs no unpacking. */
export interface PlannedEntry {
  readonly path: string;
  readonly isFolder: boolean;
  readonly executable: boolean;
  readonly deflated: boolean;
  /** As the archive says; checked while unpacking. */
  readonly bytes: number;
  readonly crc32: number;
  /** Where its compressed bytes lie in the archive. */
  readonly start: number;
  readonly compressedBytes: number;
}

/**
 * Reads what an archive says it holds and checks every name, type and size against the rules, unpacking nothing.
 * `size` is the length of the file behind `handle`.
 * @throws MyelinError ARCHIVE_REFUSED
 */
export async function readCentralDirectory(
  handle: FileHandle,
  size: number,
  limits: ArchiveLimits,
): Promise<readonly PlannedEntry[]> {
  if (size > limits.archiveBytes)
    throw refusal('archive-too-large', undefined, `most: ${limits.archiveBytes} bytes`);
  const directory = new Directory(handle, size);
  try {
    const zip = await directory.open();
    if (zip.entryCount > limits.entries) {
      throw refusal('too-many-entries', undefined, `${zip.entryCount}, most: ${limits.entries}`);
    }
    const names = new NameSet();
    const planned: PlannedEntry[] = [];
    const spans: { start: number; end: number; path: string }[] = [];
    let total = 0;
    for (let entry = await directory.next(zip); entry !== undefined; entry = await directory.next(zip)) {
      const name = readEntryName(entry.fileNameRaw, limits);
      checkEntry(entry, name.path, name.isFolder, limits);
      names.add(name);
      total += entry.uncompressedSize;
      if (total > limits.totalBytes)
        throw refusal('total-too-large', undefined, `most: ${limits.totalBytes} bytes`);
      const local = await directory.localHeader(zip, entry);
      const agrees =
        local.compressionMethod === entry.compressionMethod &&
        (local.generalPurposeBitFlag & 0x2041) === 0 &&
        entry.fileNameRaw.equals(local.fileName);
      if (!agrees) throw refusal('header-mismatch', name.path);
      spans.push({
        start: entry.relativeOffsetOfLocalHeader,
        end: local.fileDataStart + entry.compressedSize,
        path: name.path,
      });
      planned.push({
        ...name,
        executable: isExecutable(entry),
        deflated: entry.compressionMethod === 8,
        bytes: entry.uncompressedSize,
        crc32: entry.crc32,
        start: local.fileDataStart,
        compressedBytes: entry.compressedSize,
      });
    }
    checkOverlaps(spans);
    return planned;
  } catch (thrown) {
    throw asRefusal(thrown);
  }
}

function checkEntry(entry: Entry, path: string, isFolder: boolean, limits: ArchiveLimits): void {
  // Bit 0: encrypted. 6: strongly. 13: names masked.
  if ((entry.generalPurposeBitFlag & 0x2041) !== 0) throw refusal('encrypted', path);
  const broken = brokenByType(entry, isFolder);
  if (broken !== undefined) throw refusal(broken, path);
  if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8) {
    throw refusal('compression', path, `method ${entry.compressionMethod}`);
  }
  if (isFolder && entry.uncompressedSize > 0) throw refusal('file-and-folder', path);
  if (entry.uncompressedSize > limits.fileBytes) {
    throw refusal('file-too-large', path, `${entry.uncompressedSize} bytes, most: ${limits.fileBytes}`);
  }
  if (
    entry.uncompressedSize > limits.ratioFromBytes &&
    entry.uncompressedSize > limits.ratio * entry.compressedSize
  ) {
    throw refusal('ratio', path, `most: ${limits.ratio} to 1`);
  }
}

/** A bomb can be small when many entries are made of the same bytes; honest archives never do that. */
function checkOverlaps(spans: { start: number; end: number; path: string }[]): void {
  spans.sort((a, b) => a.start - b.start);
  let end = 0;
  for (const span of spans) {
    if (span.start < end) throw refusal('overlap', span.path);
    end = span.end;
  }
}

/** What the parser of the format throws has no code: it is about the archive. What the system throws has one. */
function asRefusal(thrown: unknown): unknown {
  if (thrown instanceof MyelinError) return thrown;
  const { message, code } = thrown as NodeJS.ErrnoException;
  if (code !== undefined && !code.startsWith('ERR_')) return thrown;
  if (/signature not found/.test(message))
    return refusal('not-a-zip', undefined, undefined, { cause: thrown });
  if (/strong encryption/.test(message)) return refusal('encrypted', undefined, undefined, { cause: thrown });
  return refusal('damaged', undefined, message, { cause: thrown });
}

/** The parser's callbacks as promises. Whatever it throws, wherever, ends in the promise that is waited for. */
class Directory {
  readonly #reader: FileReader;
  #fail: (thrown: unknown) => void = () => undefined;

  constructor(handle: FileHandle, size: number) {
    this.#reader = new FileReader(handle, size, (thrown) => this.#fail(thrown));
  }

  #wait<T>(start: (done: (value: T) => void, fail: (thrown: unknown) => void) => void): Promise<T> {
    return new Promise((done, fail) => {
      this.#fail = fail;
      start(done, fail);
    });
  }

  open(): Promise<ZipFile> {
    return this.#wait((done, fail) => {
      const options = { lazyEntries: true, decodeStrings: false, autoClose: false };
      fromRandomAccessReader(this.#reader, this.#reader.size, options, (error, zip) => {
        if (error) fail(error);
        else done(zip);
      });
    });
  }

  next(zip: ZipFile): Promise<Entry | undefined> {
    return this.#wait((done, fail) => {
      zip.removeAllListeners();
      zip
        .once('entry', done)
        .once('end', () => done(undefined))
        .once('error', fail);
      zip.readEntry();
    });
  }

  localHeader(zip: ZipFile, entry: Entry): Promise<LocalFileHeader> {
    return this.#wait((done, fail) => {
      zip.readLocalFileHeader(entry, (error, header) => {
        if (error) fail(error);
        else done(header);
      });
    });
  }
}

/** Reads only what exists: an offset from an archive can be anything. */
class FileReader extends RandomAccessReader {
  readonly size: number;
  readonly #handle: FileHandle;
  readonly #onFault: (thrown: unknown) => void;

  constructor(handle: FileHandle, size: number, onFault: (thrown: unknown) => void) {
    super();
    this.size = size;
    this.#handle = handle;
    this.#onFault = onFault;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    const inside = Number.isSafeInteger(position) && position >= 0 && position + length <= this.size;
    const reading = inside
      ? this.#handle.read(buffer, offset, length, position).then(({ bytesRead }) => {
          if (bytesRead < length) throw new Error('cut short');
        })
      : Promise.reject(new Error('points outside of itself'));
    reading.then(() => callback(null, length), callback).catch(this.#onFault);
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }
}
