import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { packageRoot } from '../../platform/entry.ts';

const readySchema = z.object({ loadS: z.number(), version: z.string(), actions: z.array(z.number()) });
const answerSchema = z.object({ ms: z.number(), peakMiB: z.number() });

/** LeRobot's ACT in a Python process that infers once for each line it is sent. */
export interface TorchRival {
  readonly loadS: number;
  readonly version: string;
  /** Its actions for the bench's observation. */
  readonly actions: readonly number[];
  infer(): Promise<{ ms: number; peakMiB: number }>;
  close(): Promise<void>;
}

export interface TorchRivalOptions {
  readonly python: string;
  readonly lerobotSource: string;
  readonly checkpoint: string;
  readonly threads: number;
  readonly seed: number;
}

/** @throws Error with the last line Python printed when it ends early */
export async function startTorchRival(options: TorchRivalOptions): Promise<TorchRival> {
  const { python, lerobotSource, checkpoint, threads, seed } = options;
  const script = join(packageRoot(), 'tools/parity/time_act.py');
  const child = spawn(python, [script, checkpoint, lerobotSource, String(threads), String(seed)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => {
    complaint = `${complaint}${text}`.slice(-4000);
  });
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let failed: Error | undefined;
  child.once('error', (error) => {
    failed = error;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async <T>(schema: z.ZodType<T>): Promise<T> => {
    const { value, done } = await lines.next();
    if (done) {
      await gone;
      throw failed ?? new Error(complaint.trim().split('\n').at(-1) ?? 'it ended');
    }
    return schema.parse(JSON.parse(value));
  };
  const close = async () => {
    child.stdin.end();
    child.kill();
    await gone;
  };
  try {
    const ready = await next(readySchema);
    return {
      ...ready,
      infer: () => {
        child.stdin.write('\n');
        return next(answerSchema);
      },
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}
