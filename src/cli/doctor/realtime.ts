import { execFile } from 'node:child_process';
import { z } from 'zod';
import { distEntry } from '../../platform/entry.ts';
import { type Check, ok, problem, warning } from './check.ts';

/** What the probe prints. */
export const probeSchema = z.strictObject({
  fifo: z.boolean(),
  memlock: z.boolean(),
  /** Why no segment could be made; empty when it could. */
  segmentProblem: z.string(),
  segmentHint: z.string(),
});
export type RealtimeProbe = z.infer<typeof probeSchema>;

/**
 * Real-time rights and shared memory, by really asking for them: in a process of its own, which is gone afterwards, so
 * that nothing here runs at a priority it should not have.
 */
export const realtimeCheck = (): Check => ({
  name: 'realtime',
  title: 'Real time',
  look: async (signal) => {
    const { fifo, memlock, segmentProblem, segmentHint } = await probe(signal);
    const user = process.env.USER ?? 'USER';
    return [
      fifo
        ? ok('SCHED_FIFO is granted')
        : warning(
            'SCHED_FIFO is refused: the control loop may be late when the machine is busy',
            `Add "${user} - rtprio 90" to /etc/security/limits.conf and log in again (in a container: --cap-add SYS_NICE).`,
          ),
      memlock
        ? ok('memory can be locked')
        : warning(
            'memory cannot be locked: the segment may be swapped out',
            `Add "${user} - memlock 1048576" to /etc/security/limits.conf and log in again (in a container: --ulimit memlock=-1).`,
          ),
      segmentProblem === '' ? ok('/dev/shm can be written') : problem(segmentProblem, segmentHint),
    ];
  },
});

function probe(signal: AbortSignal): Promise<RealtimeProbe> {
  return new Promise((resolve, reject) => {
    const args = [distEntry('cli/doctor/realtime-probe.js')];
    execFile(
      process.execPath,
      args,
      { signal, timeout: 4000, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        if (error)
          return reject(new Error(`the probe failed: ${stderr.trim().split('\n')[0] || error.message}`));
        resolve(probeSchema.parse(JSON.parse(stdout)));
      },
    );
  });
}
