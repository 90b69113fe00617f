import { describe, expect, it } from 'vitest';
import { requestRealtime } from './realtime.ts';

describe('requestRealtime', () => {
  it('tells each refusal in a sentence and grants the rest', () => {
    // Asks the test's own thread only for what cannot be granted: there is no core 1023 and no priority 1000.
    const grant = requestRealtime({ priority: 1000, cpu: 1023, timerSlackNs: 50_000 });
    expect([grant.fifo, grant.affinity, grant.timerSlack]).toEqual([false, false, true]);
    expect(grant.refusals).toHaveLength(2);
    expect(grant.refusals[0]).toMatch(/SCHED_FIFO priority 1000 refused \(EINVAL\): run as root/);
    expect(grant.refusals[1]).toMatch(/CPU 1023 refused \(EINVAL\)/);
  });
});
