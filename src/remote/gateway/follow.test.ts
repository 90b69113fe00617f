import { describe, expect, it } from 'vitest';
import { type Followable, Follower } from './follow.ts';

class Thing implements Followable {
  ownerAlive = true;
  current = true;
  closed = false;

  close(): void {
    this.closed = true;
  }
}

function setUp() {
  const state = { nowMs: 0, there: undefined as Thing | undefined, told: [] as string[] };
  const follower = new Follower<Thing>({
    open: () => {
      if (state.there === undefined) throw new Error('nothing there');
      return state.there;
    },
    nowMs: () => state.nowMs,
    onAttached: () => state.told.push('attached'),
    onLost: (thing) => state.told.push(thing.closed ? 'lost after closing' : 'lost'),
  });
  return { state, follower };
}

describe('a follower', () => {
  it('has nothing while there is nothing, and attaches when it appears', () => {
    const { state, follower } = setUp();
    expect(follower.current).toBeUndefined();
    state.there = new Thing();
    expect(follower.current).toBeUndefined(); // It looks only now and then.
    state.nowMs = 1000;
    expect(follower.current).toBe(state.there);
    expect(state.told).toEqual(['attached']);
  });

  it.each(['ownerAlive', 'current'] as const)(
    'lets go when %s turns false, and takes the next one',
    (flag) => {
      const { state, follower } = setUp();
      const first = new Thing();
      state.there = first;
      expect(follower.current).toBe(first);
      first[flag] = false;
      state.there = new Thing();
      state.nowMs = 1000;
      expect(follower.current).toBe(state.there);
      expect(first.closed).toBe(true);
      expect(state.told).toEqual(['attached', 'lost', 'attached']);
    },
  );

  it('does not take what a dead owner left behind', () => {
    const { state, follower } = setUp();
    state.there = new Thing();
    state.there.ownerAlive = false;
    expect(follower.current).toBeUndefined();
    expect(state.there.closed).toBe(true);
    expect(state.told).toEqual([]);
  });

  it('looks at once when told to', () => {
    const { state, follower } = setUp();
    expect(follower.current).toBeUndefined();
    state.there = new Thing();
    follower.check();
    expect(follower.current).toBe(state.there);
  });
});
