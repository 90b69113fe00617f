import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CallLine, MOST_AHEAD } from './call-line.ts';
import { NotBegun } from './executor.ts';

const LIMIT_MS = 1000;

/** A line, what was written of it, and what became of each call. */
function lineOf({ length = 50 } = {}) {
  const written: number[] = [];
  const verdicts: string[] = [];
  const outcomes: string[] = [];
  const line = new CallLine({
    limitMs: LIMIT_MS,
    write: ({ args }) => {
      const id = Number((args as unknown[])[0]);
      written.push(id);
      return { id, length };
    },
    onLate: (verdict) => verdicts.push(verdict),
  });
  const add = (...ids: number[]) => {
    for (const id of ids)
      line.add({ object: 'robot', method: 'go', args: [id] }).then(
        (value) => outcomes.push(`${id} gave ${value}`),
        (error) => outcomes.push(`${id} ${error instanceof NotBegun ? 'not begun' : error.code}`),
      );
  };
  const all = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
  return { line, written, verdicts, outcomes, add, all };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate'] }));
afterEach(() => void vi.useRealTimers());

describe('CallLine', () => {
  it('writes a bounded number of calls ahead, and one at a time where the runner takes no more', async () => {
    const { line, written, add, all } = lineOf();
    add(...all(40));
    expect(written).toEqual([]);
    line.open(true);
    expect(written).toEqual(all(1 + MOST_AHEAD));
    line.settle(1, { value: 0 });
    expect(written).toEqual(all(2 + MOST_AHEAD));
    const single = lineOf();
    single.line.open(false);
    single.add(1, 2);
    expect(single.written).toEqual([1]);
    single.line.settle(1, { value: 0 });
    expect(single.written).toEqual([1, 2]);
    const large = lineOf({ length: 1 << 20 });
    large.line.open(true);
    large.add(1, 2);
    expect(large.written).toEqual([1]);
    line.end('');
    single.line.end('');
    large.line.end('');
  });

  it('counts the longest time of a call from when the one before it answered', async () => {
    const { line, verdicts, outcomes, add } = lineOf();
    line.open(true);
    add(1, 2, 3);
    await vi.advanceTimersByTimeAsync(LIMIT_MS - 1);
    line.settle(1, { value: 'a' });
    await vi.advanceTimersByTimeAsync(LIMIT_MS - 1);
    expect(verdicts).toEqual([]);
    await vi.advanceTimersByTimeAsync(2);
    expect(verdicts).toEqual(['the call robot.go took longer than 1 s']);
    add(4);
    line.end('killed');
    await vi.advanceTimersByTimeAsync(LIMIT_MS * 2);
    expect(verdicts).toHaveLength(1);
    expect(outcomes.sort()).toEqual(['1 gave a', '2 CALL_TIMEOUT', '3 not begun', '4 not begun']);
  });

  it('does not blame the next call for a result that was not read in time', async () => {
    const { line, verdicts, outcomes, add } = lineOf();
    line.open(true);
    add(1, 2);
    vi.advanceTimersByTime(LIMIT_MS); // The time is over, and what has arrived is read before anybody is killed.
    line.settle(1, { value: 'a' });
    await vi.advanceTimersByTimeAsync(1);
    expect(verdicts).toEqual([]);
    line.settle(2, { value: 'b' });
    await vi.advanceTimersByTimeAsync(1);
    expect(outcomes).toEqual(['1 gave a', '2 gave b']);
  });

  it('holds the call behind a late one for begun when the late one had answered after all', async () => {
    const { line, outcomes, add } = lineOf();
    line.open(true);
    add(1, 2, 3);
    await vi.advanceTimersByTimeAsync(LIMIT_MS + 1);
    line.settle(1, { value: 'too late' });
    line.end('killed');
    await vi.advanceTimersByTimeAsync(LIMIT_MS * 2);
    expect(outcomes).toEqual(['1 CALL_TIMEOUT', '2 PROJECT_CRASHED', '3 not begun']);
  });

  it('begins nothing more once it is halted, and takes the answers of what was written', async () => {
    const { line, outcomes, add, all } = lineOf();
    line.open(true);
    add(...all(3 + MOST_AHEAD));
    line.halt();
    line.settle(1, { value: 'a' });
    line.settle(2, { value: 'b' });
    line.end('closed');
    await vi.advanceTimersByTimeAsync(0);
    expect(outcomes.slice(0, 5)).toEqual([
      `${2 + MOST_AHEAD} not begun`,
      `${3 + MOST_AHEAD} not begun`,
      ...['1 gave a', '2 gave b', '3 PROJECT_CRASHED'],
    ]);
    expect(outcomes).toHaveLength(3 + MOST_AHEAD);
  });

  it('takes the answer of no call but the one that runs', () => {
    const { line, add } = lineOf();
    line.open(true);
    add(1, 2);
    expect(line.settle(2, { value: 'forged' })).toBe(false);
    expect(line.settle(99, { value: 'nobody waits for it any more' })).toBe(true);
    expect(line.settle(1, { value: 'a' })).toBe(true);
    expect(line.settle(1, { value: 'again' })).toBe(true);
    expect(line.settle(2, { value: 'b' })).toBe(true);
  });
});
