import { describe, expect, it } from 'vitest';
import { GuardianLoss, ParentWatch } from './parent-watch.ts';

describe('the watch over the guardian', () => {
  const heartbeat = new Float64Array(1);
  let parent = 42;
  const watch = new ParentWatch({ guardianPid: 42, parentPid: () => parent, heartbeat, timeoutNs: 500 });

  it('is content while the parent is there and shows signs of life', () => {
    heartbeat[0] = 1000;
    expect(watch.check(1500)).toBe(GuardianLoss.NONE);
  });

  it('notices a guardian that stands still', () => {
    expect(watch.check(1501)).toBe(GuardianLoss.FROZEN);
  });

  it('notices at once that another process has become the parent', () => {
    parent = 1;
    expect(watch.check(1001)).toBe(GuardianLoss.DIED);
  });
});
