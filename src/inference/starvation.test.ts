import { describe, expect, it } from 'vitest';
import { Starvation } from './starvation.ts';

const S = 1e9;

describe('an arm without actions', () => {
  it('is not starved before its first action, however long a policy loads', () => {
    const starvation = new Starvation({ homeAfterS: 3 });
    expect([0, 5, 100].map((s) => starvation.look(0, s * S))).toEqual([undefined, undefined, undefined]);
  });

  it('holds, and this is told once', () => {
    const starvation = new Starvation();
    starvation.look(4, 0);
    expect([1, 2, 3].map((s) => starvation.look(0, s * S))).toEqual(['starved', undefined, undefined]);
    expect(starvation.starved).toBe(true);
    starvation.look(2, 4 * S);
    expect(starvation.starved).toBe(false);
    expect(starvation.look(0, 5 * S)).toBe('starved');
  });

  it('goes on as before when actions come back soon, and slowly when they took long', () => {
    const starvation = new Starvation({ slowAfterS: 1, slowPace: 3 });
    expect(starvation.pace(0)).toBe(1);
    starvation.look(4, 0);
    starvation.look(0, 1 * S);
    expect(starvation.pace(1.5 * S)).toBe(1);
    expect(starvation.pace(2.5 * S)).toBe(3);
    starvation.look(4, 2.5 * S);
    expect(starvation.pace(2.6 * S)).toBe(1);
  });

  it('is sent home once when they take too long, and never after it was stopped', () => {
    const starvation = new Starvation({ homeAfterS: 2 });
    starvation.look(4, 0);
    expect([1, 2, 3, 4].map((s) => starvation.look(0, s * S))).toEqual([
      'starved',
      undefined,
      'home',
      undefined,
    ]);
    starvation.reset();
    expect(starvation.look(0, 9 * S)).toBeUndefined();
  });
});
