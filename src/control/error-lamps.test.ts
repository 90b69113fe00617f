import { describe, expect, it } from 'vitest';
import { ErrorLamps } from './error-lamps.ts';
import { EventCode } from './event-codes.ts';

describe('error lamps', () => {
  const events: number[][] = [];
  const make = () => {
    events.length = 0;
    return new ErrorLamps({ push: (_timeNs, code, detail = 0, a = 0) => events.push([code, detail, a]) });
  };

  it('stay on for their time, longer when raised again, and tell of each change once', () => {
    const lamps = make();
    lamps.raise(2, 0, 100);
    lamps.raise(2, 60, 100);
    lamps.expire(120);
    expect(lamps.bits).toBe(2);
    lamps.expire(160);
    expect(lamps.bits).toBe(0);
    expect(events).toEqual([
      [EventCode.ERROR_RAISED, 2, 2],
      [EventCode.ERROR_CLEARED, 2, 0],
    ]);
  });

  it('stay on until cleared when raised for good', () => {
    const lamps = make();
    lamps.raise(1 | 16, 0, Number.POSITIVE_INFINITY);
    lamps.expire(1e18);
    lamps.clear(1, 2e18);
    lamps.expire(3e18);
    expect(lamps.bits).toBe(16);
  });
});
