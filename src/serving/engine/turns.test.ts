import { describe, expect, it } from 'vitest';
import { settle } from './testing.ts';
import { Turns } from './turns.ts';

/** Turns that end when the test says so. */
function line(turns: Turns) {
  const started: string[] = [];
  const end = new Map<string, () => void>();
  const enter = (name: string) =>
    turns.enter(() => {
      started.push(name);
      return new Promise<void>((resolve) => end.set(name, resolve));
    });
  return { started, enter, end: (name: string) => end.get(name)?.() };
}

describe('turns', () => {
  it('runs one at a time, in the order of arrival', async () => {
    const turns = new Turns();
    const { started, enter, end } = line(turns);
    for (const name of ['a', 'b', 'c']) enter(name);
    expect(started).toEqual(['a']);
    expect(turns.waiting).toBe(2);
    end('a');
    await settle();
    expect(started).toEqual(['a', 'b']);
  });

  it('runs as many at a time as it is wide, and the next when any of them ends', async () => {
    const turns = new Turns(2);
    const { started, enter, end } = line(turns);
    for (const name of ['a', 'b', 'c', 'd']) enter(name);
    expect(started).toEqual(['a', 'b']);
    end('b');
    await settle();
    expect(started).toEqual(['a', 'b', 'c']);
  });

  it('is idle when all have ended, those that waited and those that failed among them', async () => {
    const turns = new Turns(2);
    const { enter, end } = line(turns);
    turns.enter(() => Promise.reject(new Error('failed')));
    turns.enter(() => undefined);
    enter('a');
    enter('b');
    let idle = false;
    const waited = turns.idle().then(() => {
      idle = true;
    });
    end('a');
    await settle();
    expect(idle).toBe(false);
    await settle();
    end('b');
    await waited;
    expect(turns.waiting).toBe(0);
  });
});
