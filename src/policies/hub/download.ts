import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { type Checksum, checksumLike } from './checksum.ts';
import { type HubFile, HubSilence, networkReason } from './hub-client.ts';

export interface DownloadOptions {
  /** Where the file is to be, whole and checked. */
  readonly target: string;
  /** Where it is until then. What an earlier attempt left there is continued. */
  readonly partial: string;
  /** Begins to send the file from that byte on. */
  readonly send: (from: number) => Promise<Response>;
  /** Told how many of the file's bytes are here. */
  readonly onProgress?: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** Attempts in a row that bring no byte before it gives up. Default 5. */
  readonly attempts?: number;
  /** Wait before another attempt, doubled each time, ms. Default 500. */
  readonly waitMs?: number;
  /** How long the sender may be silent in the middle, ms. Default 30 000. */
  readonly silenceMs?: number;
}

const READ_BYTES = 2 ** 20;

/**
 * Downloads one file, goes on where a broken connection left off, and moves it to its place only when its checksum is
 * the expected one.
 * @throws MyelinError DOWNLOAD_FAILED, FILE_UNWRITABLE, HUB_REFUSED; HubSilence when no byte came at all
 */
export async function download(file: HubFile, options: DownloadOptions): Promise<void> {
  const { target, partial } = options;
  if (existsSync(target)) return;
  try {
    await mkdir(dirname(target), { recursive: true });
    const handle = await open(partial, 'a+').then(async (made) => {
      await made.close();
      return open(partial, 'r+');
    });
    const found = await new Attempts(file, options, handle).run().finally(() => handle.close());
    if (found !== file.hash) {
      await rm(partial, { force: true });
      throw new MyelinError('DOWNLOAD_FAILED', {
        file: file.name,
        reason: `its checksum is ${found}, not ${file.hash}`,
        advice:
          'It was thrown away. Try again; if it happens again, what the Hub sends was changed on its way.',
      });
    }
    // Another process may have been faster.
    await rename(partial, target).catch((error: unknown) => {
      if (!existsSync(target)) throw error;
    });
  } catch (error) {
    throw unwritable(error, partial, file.bytes);
  }
}

/** The tries it takes to have the whole file. Bytes are hashed as they are written. */
class Attempts {
  readonly #file: HubFile;
  readonly #options: DownloadOptions;
  readonly #handle: FileHandle;
  #checksum: Checksum;
  #have = 0;

  constructor(file: HubFile, options: DownloadOptions, handle: FileHandle) {
    this.#file = file;
    this.#options = options;
    this.#handle = handle;
    this.#checksum = checksumLike(file.hash, file.bytes);
  }

  /** The checksum of the whole file. */
  async run(): Promise<string> {
    const { attempts = 5, waitMs = 500, signal } = this.#options;
    await this.#takeUp();
    for (let failed = 0; this.#have < this.#file.bytes; ) {
      const before = this.#have;
      try {
        await this.#receive();
        if (this.#have < this.#file.bytes) throw new HubSilence('the connection ended too early');
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof HubSilence)) throw error;
        failed = this.#have > before ? 1 : failed + 1;
        if (failed >= attempts) throw this.#given(error);
        await wait(waitMs * 2 ** (failed - 1), signal);
      }
    }
    return this.#checksum.result();
  }

  /** Hashes what an earlier process left behind. */
  async #takeUp(): Promise<void> {
    const { size } = await this.#handle.stat();
    if (size > this.#file.bytes) return this.#startOver();
    const buffer = Buffer.alloc(READ_BYTES);
    while (this.#have < size) {
      const { bytesRead } = await this.#handle.read(buffer, 0, READ_BYTES, this.#have);
      if (bytesRead === 0) break;
      this.#checksum.add(buffer.subarray(0, bytesRead));
      this.#have += bytesRead;
    }
    this.#options.onProgress?.(this.#have);
  }

  async #startOver(): Promise<void> {
    await this.#handle.truncate(0);
    this.#checksum = checksumLike(this.#file.hash, this.#file.bytes);
    this.#have = 0;
  }

  async #receive(): Promise<void> {
    const response = await this.#options.send(this.#have);
    if (!continues(response, this.#have)) await this.#startOver();
    if (response.status === 416) throw new HubSilence('the sender has no more bytes');
    const reader = response.body?.getReader();
    try {
      for (;;) {
        const piece = await nextPiece(reader, this.#options);
        if (piece === undefined) return;
        if (this.#have + piece.length > this.#file.bytes) {
          await this.#startOver();
          throw new HubSilence(`it sends more than the ${this.#file.bytes} bytes it announced`);
        }
        await this.#write(piece);
      }
    } finally {
      void reader?.cancel().catch(() => undefined);
    }
  }

  async #write(piece: Uint8Array): Promise<void> {
    // By place, not by appending: a second process at the same file writes the same bytes to the same places.
    for (let done = 0; done < piece.length; ) {
      const { bytesWritten } = await this.#handle.write(piece, done, piece.length - done, this.#have + done);
      done += bytesWritten;
    }
    this.#checksum.add(piece);
    this.#have += piece.length;
    this.#options.onProgress?.(this.#have);
  }

  #given(silence: HubSilence): unknown {
    if (this.#have === 0) return silence;
    return new MyelinError(
      'DOWNLOAD_FAILED',
      {
        file: this.#file.name,
        reason: `${silence.message}, with ${this.#have} of ${this.#file.bytes} bytes here`,
        advice: 'Run the command again when the connection is better: it goes on from there.',
      },
      { cause: silence },
    );
  }
}

/** Whether an answer begins where the file here ends. */
function continues(response: Response, have: number): boolean {
  if (have === 0) return response.status !== 416;
  return (
    response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${have}-`) === true
  );
}

async function nextPiece(
  reader: ReadableStreamDefaultReader<Uint8Array> | undefined,
  { silenceMs = 30_000 }: DownloadOptions,
): Promise<Uint8Array | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new HubSilence(`nothing came for ${silenceMs} ms`)), silenceMs);
  });
  try {
    return (await Promise.race([reader?.read(), silence]))?.value;
  } catch (cause) {
    if (cause instanceof HubSilence) throw cause;
    throw new HubSilence(`the connection broke (${networkReason(cause)})`, cause);
  } finally {
    clearTimeout(timer);
  }
}

const wait = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((done, fail) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      fail(signal.reason);
    });
  });

function unwritable(error: unknown, file: string, bytes: number): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (error instanceof MyelinError || code === undefined || !Object.hasOwn(constants.errno, code))
    return error;
  const advice =
    code === 'ENOSPC'
      ? 'Free space on that disk, or set HF_HUB_CACHE to a folder on another.'
      : 'Set HF_HUB_CACHE.';
  return new MyelinError('FILE_UNWRITABLE', { file, bytes, reason: code, advice }, { cause: error });
}
