import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { MyelinError } from '../../core/errors.ts';

/** A file that is read in pieces, never whole; a piece that is not all there is an error. */
export class FileReader {
  /** Real path. */
  readonly path: string;
  readonly bytes: number;
  readonly #handle: FileHandle;

  private constructor(path: string, bytes: number, handle: FileHandle) {
    this.path = path;
    this.bytes = bytes;
    this.#handle = handle;
  }

  /** @throws MyelinError FILE_NOT_FOUND */
  static async open(file: string): Promise<FileReader> {
    const missing = (cause: unknown) => {
      throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
    };
    const path = await realpath(file).catch(missing);
    const { size, isFile } = await stat(path).then((found) => ({ size: found.size, isFile: found.isFile() }));
    // Opening a pipe would wait for whoever writes to it.
    return isFile ? new FileReader(path, size, await open(path).catch(missing)) : missing(undefined);
  }

  /** @throws MyelinError CHECKPOINT_INVALID when the file ends before */
  async read(position: number, length: number): Promise<Buffer> {
    if (position + length > this.bytes)
      throw this.invalid(`it ends at byte ${this.bytes}, before its contents do`);
    const buffer = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle.read(buffer, done, length - done, position + done);
      if (bytesRead === 0) throw this.invalid(`it ends at byte ${position + done}`);
      done += bytesRead;
    }
    return buffer;
  }

  invalid(detail: string, cause?: unknown): MyelinError {
    return new MyelinError('CHECKPOINT_INVALID', { file: this.path, detail }, { cause });
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
