import { describe, expect, it } from 'vitest';
import { LoopWatch } from './loop-watch.ts';

const MS = 1e6;
const STEP = 5 * MS;

/** A loop that ticked last at 0, doing `state` since; `cpuShare` of the time on a core. */
const watching = (state: string, cpuShare: number) => {
  let nowNs = 0;
  const watch = new LoopWatch({
    timeoutNs: 40 * MS,
    periodNs: 2 * MS,
    look: () => ({ state, cpuNs: 1e9 + nowNs * cpuShare }),
  });
  watch.observe(0, 0);
  /** How long it is silent when it is given up, ms. */
  const givenUp = () => {
    for (nowNs = STEP; nowNs < 1000 * MS; nowNs += STEP) {
      const verdict = watch.observe(nowNs, 0);
      if (verdict !== 'alive') return [verdict, nowNs / MS];
    }
    return ['alive', Number.POSITIVE_INFINITY];
  };
  return { watch, givenUp };
};

describe('the watch over the loop', () => {
  it.each(['T', 't'])('gives a loop in state %s up after 15 ms', (state) => {
    expect(watching(state, 0).givenUp()).toEqual(['stopped', 15]);
  });

  it.each(['Z', 'X'])('leaves the end of a loop (state %s) to those who know its reason', (state) => {
    expect(watching(state, 0).givenUp()).toEqual(['alive', Number.POSITIVE_INFINITY]);
  });

  it('gives a loop that hangs in one tick up within 40 ms', () => {
    expect(watching('R', 1).givenUp()).toEqual(['stuck', 40]);
    expect(watching('R', 0.7).givenUp()).toEqual(['stuck', 40]);
  });

  it('is patient with a loop that waits for a core, or whose core was taken away', () => {
    expect(watching('R', 0).givenUp()).toEqual(['starved', 250]);
    expect(watching('S', 0).givenUp()).toEqual(['starved', 250]);
    expect(watching('R', 0.2).givenUp()).toEqual(['starved', 250]);
  });

  it('does not wait longer where the kernel does not tell the time on a core', () => {
    expect(watching('S', Number.NaN).givenUp()).toEqual(['stuck', 40]);
  });

  it('does not blame the loop for its own delay', () => {
    const { watch } = watching('T', 0);
    expect(watch.observe(900 * MS, 0)).toBe('alive');
    expect(watch.observe(905 * MS, 0)).toBe('alive');
    expect(watch.observe(910 * MS, 0)).toBe('stopped');
  });

  it('forgives everything at the next tick', () => {
    const { watch } = watching('T', 0);
    for (let ms = 5; ms < 20; ms += 5) watch.observe(ms * MS, 0);
    expect(watch.observe(20 * MS, 19 * MS)).toBe('alive');
    expect(watch.observe(25 * MS, 19 * MS)).toBe('alive');
  });

  it('takes no offence at a slow loop', () => {
    const watch = new LoopWatch({
      timeoutNs: 10 * MS,
      periodNs: 10 * MS,
      look: () => ({ state: 'T', cpuNs: 0 }),
    });
    for (let ms = 0; ms < 1000; ms += 2) {
      expect(watch.observe(ms * MS, Math.floor(ms / 10) * 10 * MS)).toBe('alive');
    }
  });
});
