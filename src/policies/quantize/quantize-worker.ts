/** A thread that quantises matrices, one job at a time; see `worker-pool.ts` for the handle. */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { toMyelinError } from '../../core/errors.ts';
import { type QuantizeJob, runJob } from './jobs.ts';

const port = parentPort;
if (port === null) throw new Error('quantize-worker.js runs as a worker thread only');
const { niceness } = workerData as { niceness: number };
// On Linux this is the calling thread's nice value alone.
if (process.platform === 'linux' && niceness > 0) setPriority(0, niceness);

port.on('message', (job: QuantizeJob) => {
  runJob(job).then(
    () => port.postMessage({ done: true }),
    (thrown: unknown) => {
      const { code, parameters } = toMyelinError(thrown);
      port.postMessage({ code, parameters });
    },
  );
});
