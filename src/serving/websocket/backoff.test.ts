import { describe, expect, it } from 'vitest';
import { Backoff } from './backoff.ts';

describe('the pauses between attempts', () => {
  it('double up to a limit, and begin anew after a success', () => {
    const backoff = new Backoff(100, 1000, () => 1);
    expect([1, 2, 3, 4, 5, 6].map(() => backoff.nextMs())).toEqual([100, 200, 400, 800, 1000, 1000]);
    backoff.reset();
    expect(backoff.nextMs()).toBe(100);
  });

  it('differ between clients by up to half', () => {
    expect(new Backoff(100, 1000, () => 0).nextMs()).toBe(50);
  });
});
