import type { Published } from '../protocol/ipc.ts';

/** What a worker tells, from the most to the least. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const atLeast = (level: LogLevel, least: LogLevel): boolean =>
  LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(least);

/**
 * The worker's own output, for whoever started it by hand: `debug` adds every command, `info` is what projects print
 * and the progress of updates, `warn` what happens to them. What the sandbox does not grant is not subject to it.
 */
export class WorkerLog {
  readonly #least: LogLevel;
  readonly #write: (line: string) => void;

  constructor(least: LogLevel, write: (line: string) => void) {
    this.#least = least;
    this.#write = write;
  }

  published(message: Published): void {
    if (message.type === 'log')
      this.#say(message.stream === 'system' ? 'warn' : 'info', `[${message.project}] ${message.text}`);
    if (message.type === 'progress') this.#say('info', `[${message.project ?? 'upload'}] ${message.text}`);
  }

  /** A command that was answered. */
  answered(command: string, status: string, ms: number): void {
    if (!atLeast('debug', this.#least)) return; // The text is not made for nobody.
    this.#write(`[worker] ${command}: ${status} in ${ms.toFixed(1)} ms`);
  }

  #say(level: LogLevel, line: string): void {
    if (atLeast(level, this.#least)) this.#write(line);
  }
}
