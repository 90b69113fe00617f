import { describe, expect, it } from 'vitest';
import { LatencyWindow } from './latency-window.ts';

describe('the latency window', () => {
  it('does not count the first answer, nor the first after a failure: those are cold', () => {
    const window = new LatencyWindow();
    window.answered(9);
    expect(window.mostNs).toBeUndefined();
    window.answered(2);
    window.answered(3);
    expect(window.mostNs).toBe(3);
    window.failed();
    window.answered(9);
    expect(window.mostNs).toBe(3);
    window.answered(4);
    expect(window.mostNs).toBe(4);
  });

  it('forgets what was a hundred answers ago, and ignores time that ran backwards', () => {
    const window = new LatencyWindow();
    for (const latency of [0, 50, -1]) window.answered(latency);
    for (let i = 0; i < 99; i++) window.answered(1);
    expect(window.mostNs).toBe(50);
    window.answered(1);
    expect(window.mostNs).toBe(1);
  });
});
