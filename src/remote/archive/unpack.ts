import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32, createInflateRaw } from 'node:zlib';
import { MyelinError } from '../../core/errors.ts';
import { type PlannedEntry, readCentralDirectory } from './central-directory.ts';
import { ARCHIVE_LIMITS, type ArchiveLimits } from './limits.ts';
import { refusal } from './refusal.ts';
import { syncTree } from './sync-tree.ts';

const CHUNK_BYTES = 262_144;

export interface UnpackedFile {
  /** Relative to the folder, parts joined by `/`. */
  readonly path: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
  readonly executable: boolean;
}

export interface Unpacked {
  /** A new folder of mode 0700; it belongs to the caller, who removes or renames it. */
  readonly folder: string;
  /** In the order of the archive. */
  readonly files: readonly UnpackedFile[];
  readonly bytes: number;
}

export interface UnpackOptions {
  readonly limits?: ArchiveLimits;
  /** Bytes written so far, and bytes the archive says there are. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Unpacks a ZIP archive from a stranger into a new folder below `parent`, or refuses it and leaves nothing. All names
 * are judged before the first byte is written; sizes and checksums are counted while writing, not believed; archives
 * inside are files like any other and are not opened. What was written is on the disk when this returns.
 * @throws MyelinError ARCHIVE_REFUSED with the entry and the rule; FILE_NOT_FOUND; FILE_UNWRITABLE
 */
export async function unpack(
  archive: string,
  parent: string,
  options: UnpackOptions = {},
): Promise<Unpacked> {
  const limits = options.limits ?? ARCHIVE_LIMITS;
  const source = await openArchive(archive);
  let folder: string | undefined;
  try {
    const entries = await readCentralDirectory(source, (await source.stat()).size, limits);
    const wanted = entries.filter(({ path }) => !isLitter(path));
    if (!wanted.some(({ isFolder }) => !isFolder)) throw refusal('empty');
    const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
    await checkSpace(parent, total, limits);
    folder = await mkdtemp(join(parent, 'unpack-'));
    const files = await writeAll(source, wanted, folder, limits, (done) => options.onProgress?.(done, total));
    await syncTree(folder);
    return { folder, files, bytes: total };
  } catch (thrown) {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    throw asDiskError(thrown, parent);
  } finally {
    await source.close();
  }
}

async function openArchive(archive: string): Promise<FileHandle> {
  try {
    const handle = await open(archive, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (cause) {
    throw new MyelinError('FILE_NOT_FOUND', { file: archive }, { cause });
  }
  throw refusal('not-a-zip');
}

/** What file managers leave in archives. */
const isLitter = (path: string): boolean => /^__MACOSX(\/|$)|(^|\/)\.DS_Store$/.test(path);

async function checkSpace(parent: string, bytes: number, limits: ArchiveLimits): Promise<void> {
  const { bavail, bsize } = await statfs(parent);
  const free = bavail * bsize;
  if (free < bytes + limits.freeBytes) throw noSpace(parent, bytes, `only ${free} bytes are free`);
}

const noSpace = (file: string, bytes: number, reason: string, cause?: unknown): MyelinError =>
  new MyelinError(
    'FILE_UNWRITABLE',
    { file, bytes, reason, advice: 'Free some disk space, or remove versions: myelin project delete' },
    { cause },
  );

function asDiskError(thrown: unknown, parent: string): unknown {
  const { code } = thrown as NodeJS.ErrnoException;
  if (thrown instanceof MyelinError || (code !== 'ENOSPC' && code !== 'EDQUOT')) return thrown;
  return noSpace(parent, 0, 'the disk is full', thrown);
}

async function writeAll(
  source: FileHandle,
  entries: readonly PlannedEntry[],
  folder: string,
  limits: ArchiveLimits,
  onProgress: (done: number) => void,
): Promise<UnpackedFile[]> {
  const files: UnpackedFile[] = [];
  let done = 0;
  for (const entry of entries) {
    const target = join(folder, entry.path);
    await mkdir(entry.isFolder ? target : dirname(target), { recursive: true, mode: 0o700 });
    if (entry.isFolder) continue;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const file = await open(target, flags, 0o600);
    try {
      const sha256 = createHash('sha256');
      for await (const chunk of inflated(source, entry, limits)) {
        done += chunk.length;
        if (done > limits.totalBytes) throw refusal('total-too-large');
        sha256.update(chunk);
        await writeFully(file, chunk);
      }
      await file.chmod(entry.executable ? 0o755 : 0o644);
      const { path, bytes, executable } = entry;
      files.push({ path, bytes, sha256: sha256.digest('hex'), executable });
    } finally {
      await file.close();
    }
    onProgress(done);
  }
  return files;
}

async function writeFully(file: FileHandle, chunk: Buffer): Promise<void> {
  for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done)).bytesWritten;
}

/** The bytes of one file, checked as they come: never more than was said, and at the end neither less nor others. */
async function* inflated(
  source: FileHandle,
  entry: PlannedEntry,
  limits: ArchiveLimits,
): AsyncGenerator<Buffer, void> {
  let bytes = 0;
  let checksum = 0;
  for await (const chunk of entry.deflated ? inflate(source, entry) : stored(source, entry)) {
    bytes += chunk.length;
    if (bytes > limits.fileBytes) throw refusal('file-too-large', entry.path);
    if (bytes > limits.ratioFromBytes && bytes > limits.ratio * entry.compressedBytes) {
      throw refusal('ratio', entry.path, `most: ${limits.ratio} to 1`);
    }
    if (bytes > entry.bytes) throw refusal('size-lie', entry.path, `more than ${entry.bytes} bytes`);
    checksum = crc32(chunk, checksum);
    yield chunk;
  }
  if (bytes !== entry.bytes) throw refusal('size-lie', entry.path, `${bytes} bytes, not ${entry.bytes}`);
  if (checksum !== entry.crc32) throw refusal('checksum', entry.path);
}

async function* stored(source: FileHandle, entry: PlannedEntry): AsyncGenerator<Buffer, void> {
  for (let done = 0; done < entry.compressedBytes; ) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, entry.compressedBytes - done));
    const { bytesRead } = await source.read(buffer, 0, buffer.length, entry.start + done);
    if (bytesRead === 0) throw refusal('damaged', entry.path, 'cut short');
    done += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function* inflate(source: FileHandle, entry: PlannedEntry): AsyncGenerator<Buffer, void> {
  const inflater = createInflateRaw({ chunkSize: CHUNK_BYTES });
  const feeding = feed(source, entry, inflater);
  try {
    for await (const chunk of inflater) yield chunk as Buffer;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code?.startsWith('Z_') !== true) throw cause;
    throw refusal('damaged', entry.path, (cause as Error).message, { cause });
  } finally {
    inflater.destroy();
    await feeding;
  }
  if (inflater.bytesWritten !== entry.compressedBytes) {
    throw refusal('damaged', entry.path, 'bytes follow the end of its data');
  }
}

/** Gives the compressed bytes to the inflater, as fast as it takes them, until all are given or it is closed. */
async function feed(
  source: FileHandle,
  entry: PlannedEntry,
  inflater: ReturnType<typeof createInflateRaw>,
): Promise<void> {
  const closed = new Promise<void>((done) => inflater.once('close', done));
  try {
    for await (const chunk of stored(source, entry)) {
      if (inflater.destroyed) return;
      if (!inflater.write(chunk)) {
        await Promise.race([closed, new Promise<void>((done) => inflater.once('drain', done))]);
      }
    }
    inflater.end();
  } catch (thrown) {
    inflater.destroy(thrown as Error);
  }
}
