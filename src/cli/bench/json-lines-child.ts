import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { z } from 'zod';

/** A process that is spoken to by lines and answers in lines of JSON. */
export interface JsonLinesChild {
  readonly pid: number;
  /** The next line it prints that is JSON. @throws Error with its last words when it ends first */
  next<T>(schema: z.ZodType<T>): Promise<T>;
  /** Sends a line. Default: an empty one. */
  nudge(line?: string): void;
  close(): Promise<void>;
}

export function startJsonLines(command: readonly string[]): JsonLinesChild {
  const [program = '', ...args] = command;
  const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new TypeError('a child without pipes');
  let complaint = '';
  stderr.on('data', (text: Buffer) => {
    complaint = `${complaint}${text}`.slice(-4000);
  });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  for (const speaker of [child, stdin]) {
    speaker.on('error', (error) => {
      complaint ||= error.message;
    });
  }
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return {
    pid: child.pid ?? -1,
    next: async (schema) => {
      for (;;) {
        const { value, done } = await lines.next();
        if (done) {
          await gone;
          throw new Error(complaint.trim().split('\n').at(-1) ?? 'it ended');
        }
        if (value.startsWith('{')) return schema.parse(JSON.parse(value));
      }
    },
    nudge: (line = '') => stdin.write(`${line}\n`),
    close: async () => {
      child.kill();
      await gone;
    },
  };
}

/** Processor time a process has used, s, and its resident memory, MiB. Linux. */
export function usage(pid: number): { cpuS: number; memoryMiB: number } {
  // After the name, which may hold spaces: state is field 3, user and system time 14 and 15, in hundredths.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return { cpuS: (Number(fields[11]) + Number(fields[12])) / 100, memoryMiB: (pages * 4096) / 2 ** 20 };
}
