import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ObservationHistory } from './observation-history.ts';

const after = (length: number, ...timesteps: number[]) => {
  const history = new ObservationHistory<number>(length);
  for (const timestep of timesteps) history.push(timestep, timestep);
  return history.entries();
};

describe('the observation history', () => {
  it('lets the first observation of an episode stand for those before it', () => {
    expect(after(3, 0)).toEqual([0, 0, 0]);
    expect(after(3, 0, 1)).toEqual([0, 0, 1]);
    expect(after(3, 0, 1, 2)).toEqual([0, 1, 2]);
    expect(after(3, 0, 1, 2, 3)).toEqual([1, 2, 3]);
  });

  it('takes the same timestep once, the later observation of it', () => {
    const history = new ObservationHistory<string>(2);
    history.push(4, 'before');
    history.push(5, 'early');
    history.push(5, 'late');
    expect(history.entries()).toEqual(['before', 'late']);
  });

  it('starts anew when time goes back, and when it is told to', () => {
    expect(after(2, 7, 8, 3)).toEqual([3, 3]);
    const history = new ObservationHistory<number>(2);
    history.push(1, 1);
    history.clear();
    history.push(2, 2);
    expect(history.entries()).toEqual([2, 2]);
  });

  it('always gives as many as the model looks at, in order, the newest last', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 30 }),
        (length, timesteps) => {
          const entries = after(length, ...timesteps);
          expect(entries).toHaveLength(length);
          expect(entries.at(-1)).toBe(timesteps.at(-1));
          expect(entries).toEqual([...entries].sort((a, b) => a - b));
        },
      ),
    );
  });
});
