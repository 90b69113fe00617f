import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { decodeBase64, type Lifted } from './lift-base64.ts';

/** Archives in base64 that are decoded at a time; each holds its whole message in memory. */
const MOST_DECODING = 2;
const PREFIX = 'gateway-';

/** Archives on their way from a client to the worker, as files of this user alone. */
export class Uploads {
  readonly #folder: string;
  #decoding = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes the folder, and removes what an earlier gateway left in it. The worker's own archives lie there too. */
  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#folder))
      if (name.startsWith(PREFIX)) await rm(join(this.#folder, name), { force: true });
  }

  /** @throws MyelinError MESSAGE_TOO_LARGE, ARCHIVE_REFUSED, QUEUE_FULL, FILE_UNWRITABLE */
  async fromBase64(base64: Lifted, mostCharacters: number): Promise<string> {
    if (base64.length > mostCharacters)
      throw new MyelinError('MESSAGE_TOO_LARGE', { bytes: base64.length, most: mostCharacters });
    if (this.#decoding >= MOST_DECODING) throw new MyelinError('QUEUE_FULL', { waiting: this.#decoding });
    this.#decoding += 1;
    try {
      return await this.#write((write) => decodeBase64(base64, write));
    } finally {
      this.#decoding -= 1;
    }
  }

  /** Reads no faster than the disk writes. @throws MyelinError MESSAGE_TOO_LARGE, FILE_UNWRITABLE */
  async fromStream(
    stream: AsyncIterable<Buffer>,
    mostBytes: number,
  ): Promise<{ file: string; bytes: number }> {
    let bytes = 0;
    const file = await this.#write(async (write) => {
      for await (const part of stream) {
        bytes += part.length;
        if (bytes > mostBytes) throw new MyelinError('MESSAGE_TOO_LARGE', { bytes, most: mostBytes });
        await write(part);
      }
    });
    return { file, bytes };
  }

  async discard(file: string): Promise<void> {
    await rm(file, { force: true });
  }

  async #write(fill: (write: (bytes: Buffer) => Promise<unknown>) => Promise<unknown>): Promise<string> {
    const file = join(this.#folder, `${PREFIX}${randomUUID()}.zip`);
    const handle = await open(file, 'wx', 0o600).catch((cause: unknown) => {
      throw unwritable(file, 0, cause);
    });
    let written = 0;
    try {
      await fill(async (bytes) => {
        written += bytes.length;
        await handle.writeFile(bytes).catch((cause: unknown) => {
          throw unwritable(file, written, cause);
        });
      });
      return file;
    } catch (thrown) {
      await rm(file, { force: true });
      throw thrown;
    } finally {
      await handle.close();
    }
  }
}

const unwritable = (file: string, bytes: number, cause: unknown): MyelinError => {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MyelinError(
    'FILE_UNWRITABLE',
    { file, bytes, reason, advice: 'Free space, or choose another --storage-dir.' },
    { cause },
  );
};
