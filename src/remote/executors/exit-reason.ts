import { constants } from 'node:os';

const SIGNALS = new Map(Object.entries(constants.signals).map(([name, code]) => [code, name]));

/** What the common ones mean, for people who never saw a signal. */
const MEANING: Readonly<Record<string, string>> = {
  SIGSEGV: 'it used memory that is not its own',
  SIGABRT: 'it gave up by itself, as after a failed assertion or when memory is short',
  SIGILL: 'it met an instruction this processor does not have',
  SIGFPE: 'it divided by zero',
  SIGBUS: 'it used memory that is not there',
  SIGXFSZ: 'it wrote a file larger than it may',
  SIGSYS: 'it asked the system for something that is not allowed',
};

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Which limit of the kernel ended it, where that is known. */
  readonly limit?: string | undefined;
}

/** Why a project's process ended, in words: `killed by the memory limit of 512 MiB`, `exited with code 3`. */
export function exitReason({ code, signal, limit }: Ending): string {
  if (limit !== undefined) return `killed by ${limit}`;
  // A sandbox's own process tells the signal of the one inside as 128 and more.
  const name = signal ?? (code !== null && code > 128 ? SIGNALS.get(code - 128) : undefined);
  if (name === undefined) return `exited with code ${code ?? 'unknown'}`;
  const meaning = MEANING[name];
  return `killed by ${name}${meaning === undefined ? '' : ` (${meaning})`}`;
}
