import { describe, expect, it } from 'vitest';
import { chooseThreads } from './threads.ts';

describe('the threads of a model', () => {
  it.each([
    [undefined, 8, 0, 8, /nothing keeps time/],
    [undefined, 8, 1, 7, /a control loop keeps time/],
    [undefined, 8, 3, 7, /a control loop keeps time/],
    [undefined, 1, 1, 1, /low priority/],
    [undefined, 1, 0, 1, /1 of 1 core,/],
    [3, 2, 1, 3, /as asked for/],
  ])(
    'asked for %s with %i cores and %i control loops are told with a reason',
    (asked, cores, loops, threads, why) => {
      const choice = chooseThreads(asked, cores, loops);
      expect(choice.threads).toBe(threads);
      expect(choice.reason).toMatch(why);
    },
  );
});
