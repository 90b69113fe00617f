import { Worker } from 'node:worker_threads';
import { type ErrorCode, type ErrorParameters, MyelinError } from '../../core/errors.ts';
import { distEntry } from '../../platform/entry.ts';
import type { QuantizeJob } from './jobs.ts';

export interface WorkerPoolOptions {
  readonly threads: number;
  readonly niceness: number;
  readonly signal?: AbortSignal | undefined;
}

type Answer = { readonly done: true } | { readonly code: ErrorCode; readonly parameters: ErrorParameters };

/**
 * Runs jobs on threads of their own, in order, each thread taking the next when it is done with one.
 * @throws MyelinError the first that a job met; the signal's reason. No thread is left running.
 */
export async function runOnThreads(
  jobs: readonly QuantizeJob[],
  onDone: (job: QuantizeJob) => void,
  { threads, niceness, signal }: WorkerPoolOptions,
): Promise<void> {
  signal?.throwIfAborted();
  const queue = jobs.values();
  const workers = Array.from(
    { length: Math.min(threads, jobs.length) },
    () => new Worker(distEntry('policies/quantize/quantize-worker.js'), { workerData: { niceness } }),
  );
  const failed = (reason: string) => new MyelinError('MODEL_FAILED', { action: 'be quantised', reason });
  try {
    await new Promise<void>((resolve, reject) => {
      let busy = workers.length;
      if (busy === 0) resolve();
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      for (const worker of workers) {
        let job: QuantizeJob | undefined;
        const next = () => {
          job = queue.next().value;
          if (job !== undefined) worker.postMessage(job);
          else if (--busy === 0) resolve();
        };
        worker.on('message', (answer: Answer) => {
          if ('code' in answer) return reject(new MyelinError(answer.code, answer.parameters));
          if (job !== undefined) onDone(job);
          next();
        });
        worker.on('error', (error) => reject(failed(error.message)));
        worker.on('exit', (code) => reject(failed(`its thread ended (code ${code})`)));
        next();
      }
    });
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
