import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

const MOST_BYTES = 20 * 1024 * 1024;
const TAIL_BYTES = 1024 * 1024;

/**
 * A log file that never grows without end: when it is full it becomes `NAME.1`, in place of the one before. Lines are
 * written at once, so that a killed process has said what it had to say.
 */
export class LogFile {
  readonly #path: string;
  readonly #mostBytes: number;
  #fd: number;
  #bytes: number;

  constructor(path: string, mostBytes = MOST_BYTES) {
    this.#path = path;
    this.#mostBytes = mostBytes;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.#fd = openSync(path, 'a', 0o600);
    this.#bytes = fstatSync(this.#fd).size;
  }

  write(line: string): void {
    if (this.#fd < 0) return;
    if (this.#bytes >= this.#mostBytes) this.#turn();
    this.#bytes += Buffer.byteLength(line);
    try {
      writeSync(this.#fd, line);
    } catch {
      // A full disk must not end the gateway, and there is no other place to say so.
    }
  }

  /** The newest lines, oldest first. */
  async tail(lines: number): Promise<string[]> {
    const handle = await open(this.#path, 'r');
    try {
      const { size } = await handle.stat();
      const from = Math.max(0, size - TAIL_BYTES);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size - from), 0, size - from, from);
      const all = buffer
        .toString('utf8', 0, bytesRead)
        .split('\n')
        .slice(from > 0 ? 1 : 0, -1);
      return all.slice(-lines);
    } finally {
      await handle.close();
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #turn(): void {
    closeSync(this.#fd);
    renameSync(this.#path, `${this.#path}.1`);
    this.#fd = openSync(this.#path, 'a', 0o600);
    this.#bytes = 0;
  }
}
