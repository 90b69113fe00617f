import { describe, expect, it } from 'vitest';
import { reconnectDelayMs } from './backoff.ts';

describe('the pause before connecting again', () => {
  it('starts short, grows, and stays bounded for ever', () => {
    const delays = [0, 1, 2, 3, 4, 5, 50, 5000].map((attempt) => reconnectDelayMs(attempt, 1));
    expect(delays).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
  });

  it('varies by a quarter, so that many pages do not come back at once', () => {
    expect(reconnectDelayMs(2, 0)).toBe(750);
  });
});
