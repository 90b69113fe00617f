import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ActionPlan } from './action-plan.ts';
import { AGGREGATE_NAMES, type AggregateName } from './aggregation.ts';
import type { ActionChunk } from './chunk.ts';

const PERIOD_S = 0.1;
const S = 1e9;

const chunk = (timestep: number, values: readonly number[], dof = 1): ActionChunk => ({
  actions: Float64Array.from(values),
  rows: values.length / dof,
  dof,
  stepPeriodS: PERIOD_S,
  timestep,
  observedNs: timestep,
});

const plan = (aggregateName?: AggregateName) =>
  new ActionPlan({ dof: 1, stepPeriodS: PERIOD_S, ...(aggregateName && { aggregateName }) });

const rows = (p: ActionPlan, nowNs: number): number[] => Array.from(p.future(nowNs)?.chunk.actions ?? []);

describe('an action plan', () => {
  it('executes its first chunk from its first row, whatever time the inference took', () => {
    const p = plan();
    expect(p.timestepAt(5 * S)).toBe(0);
    expect(p.merge(chunk(0, [1, 2, 3]), 5 * S)).toEqual({ taken: 3, late: 0 });
    expect(rows(p, 5 * S)).toEqual([1, 2, 3]);
    expect(p.future(5 * S)?.startNs).toBeGreaterThan(5 * S);
  });

  it('drops rows that are over and counts those that are left', () => {
    const p = plan();
    p.merge(chunk(0, [1, 2, 3, 4]), 0);
    expect(p.depthAt(0.13 * S)).toBe(2);
    expect(rows(p, 0.13 * S)).toEqual([2, 3, 4]);
    expect(p.depthAt(9 * S)).toBe(0);
    expect(p.future(9 * S)).toBeUndefined();
  });

  it('places a later chunk by the step of its observation, not by its arrival', () => {
    const p = plan('latest_only');
    p.merge(chunk(0, [1, 2, 3, 4]), 0);
    const step = p.timestepAt(0.13 * S);
    expect(step).toBe(1);
    expect(p.merge(chunk(step, [20, 30, 40, 50]), 0.23 * S)).toEqual({ taken: 3, late: 1 });
    expect(rows(p, 0.23 * S)).toEqual([30, 40, 50]);
  });

  it.each([
    ['weighted_average', 0.3 * 2 + 0.7 * 10],
    ['latest_only', 10],
    ['average', 6],
    ['conservative', 0.7 * 2 + 0.3 * 10],
  ] as const)('aggregates the same step by %s', (name, expected) => {
    const p = plan(name);
    p.merge(chunk(0, [2, 2]), 0);
    p.merge(chunk(0, [10, 10, 7]), 0);
    expect(rows(p, 0)[1]).toBeCloseTo(expected, 12);
    expect(rows(p, 0)[2]).toBe(7);
  });

  it('goes slowly when told to, from the present step on, and as usual again', () => {
    const p = plan();
    p.merge(chunk(0, [1, 2, 3, 4, 5, 6]), 0);
    p.setPace(2, 0.13 * S);
    expect(p.timestepAt(0.13 * S)).toBe(1);
    expect(p.future(0.13 * S)?.chunk.stepPeriodS).toBe(2 * PERIOD_S);
    expect(rows(p, 0.33 * S)).toEqual([3, 4, 5, 6]);
    expect(p.timestepAt(0.33 * S)).toBe(2);
    p.setPace(1, 0.33 * S);
    expect(p.future(0.33 * S)?.chunk.stepPeriodS).toBe(PERIOD_S);
    expect([0.33, 0.43, 0.53].map((s) => p.timestepAt(s * S))).toEqual([2, 3, 4]);
  });

  it('refuses a chunk from an older observation and one of another shape', () => {
    const p = plan();
    p.merge(chunk(3, [1, 2, 3, 4, 5]), 0);
    expect(p.merge(chunk(2, [9, 9]), 0).refused).toBe('older than one already merged');
    expect(p.merge(chunk(4, [9, 9], 2), 0).refused).toBe('of another shape');
    expect(rows(p, 0)).toEqual([1, 2, 3, 4, 5]);
  });

  it('takes nothing that was observed before it was cleared', () => {
    const p = plan();
    p.merge(chunk(0, [1, 2, 3, 4]), 0);
    const observed = p.timestepAt(0.1 * S);
    p.clear(0.15 * S);
    expect(p.future(0.15 * S)).toBeUndefined();
    expect(p.merge(chunk(observed, [5, 6, 7]), 0.2 * S).refused).toBe('older than one already merged');
    expect(p.merge(chunk(p.timestepAt(0.2 * S), [5, 6, 7]), 0.2 * S).taken).toBe(3);
  });

  describe('that is continued by the next chunk (real-time chunking)', () => {
    it('leaves what has begun as it was, and takes all the rest of the new chunk', () => {
      const p = plan();
      p.merge(chunk(0, [1, 2, 3, 4, 5]), 0);
      const step = p.timestepAt(0.13 * S);
      expect([...p.rowsFrom(step)]).toEqual([2, 3, 4, 5]);
      expect(p.replace(chunk(step, [20, 30, 40]), 0.23 * S)).toEqual({ taken: 1, late: 2 });
      expect(rows(p, 0.23 * S)).toEqual([3, 40]);
      expect(p.timestepAt(0.33 * S)).toBe(3);
      expect(rows(p, 0.33 * S)).toEqual([]);
    });

    it('goes on after its last row when it ran out meanwhile, whatever time has passed', () => {
      const p = plan();
      p.merge(chunk(0, [1, 2, 3]), 0);
      const step = p.timestepAt(0.13 * S);
      // Two rows were left, and ten steps have passed: two rows of the new chunk were executed, not ten.
      expect(p.replace(chunk(step, [20, 30, 40, 50]), 1.13 * S)).toEqual({ taken: 2, late: 2 });
      expect(rows(p, 1.13 * S)).toEqual([40, 50]);
      expect(p.future(1.13 * S)?.startNs).toBeGreaterThan(1.13 * S);
      expect(p.timestepAt(1.13 * S)).toBe(3);
    });

    it('keeps what runs when the new chunk is over before it came', () => {
      const p = plan();
      p.merge(chunk(0, [1, 2, 3, 4, 5, 6]), 0);
      expect(p.replace(chunk(0, [9, 9]), 0.33 * S)).toEqual({ taken: 0, late: 2 });
      expect(rows(p, 0.33 * S)).toEqual([4, 5, 6]);
    });

    it('drops as many rows as were executed, never more than time has passed for', () => {
      fc.assert(
        fc.property(
          fc.array(
            fc.record({
              waitMs: fc.nat(900),
              inferenceMs: fc.nat(900),
              rows: fc.integer({ min: 1, max: 30 }),
            }),
            {
              minLength: 1,
              maxLength: 20,
            },
          ),
          (rounds) => {
            const p = plan();
            let nowNs = 0;
            p.merge(chunk(0, Array(30).fill(0)), nowNs);
            for (const { waitMs, inferenceMs, rows: length } of rounds) {
              nowNs += waitMs * 1e6;
              const step = p.timestepAt(nowNs);
              const running = p.depthAt(nowNs) > 0;
              const left = p.rowsFrom(step).length;
              nowNs += inferenceMs * 1e6;
              const { taken, late, refused } = p.replace(chunk(step, Array(length).fill(step)), nowNs);
              expect(refused).toBeUndefined();
              expect(taken + late).toBe(length);
              if (running)
                expect(late).toBeLessThanOrEqual(Math.min(left, Math.floor(inferenceMs / 100) + 2));
              expect(p.depthAt(nowNs)).toBeLessThanOrEqual(129);
            }
          },
        ),
      );
    });

    it('refuses what it refuses otherwise', () => {
      const p = plan();
      p.merge(chunk(3, [1, 2]), 0);
      expect(p.replace(chunk(2, [9, 9]), 0).refused).toBe('older than one already merged');
      expect(p.replace(chunk(4, [9, 9], 2), 0).refused).toBe('of another shape');
    });
  });

  it('stays between the old and the new action, in order, and never grows without bound', () => {
    const value = fc.double({ min: -3, max: 3, noNaN: true });
    const arrival = fc.record({
      afterMs: fc.nat(400),
      values: fc.array(value, { minLength: 1, maxLength: 60 }),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...AGGREGATE_NAMES),
        fc.array(arrival, { maxLength: 30 }),
        (name, arrivals) => {
          const p = plan(name);
          let nowNs = 0;
          let lastStep = 0;
          for (const { afterMs, values } of arrivals) {
            const step = p.timestepAt(nowNs);
            expect(step).toBeGreaterThanOrEqual(lastStep);
            lastStep = step;
            nowNs += afterMs * 1e6;
            p.merge(chunk(step, values), nowNs);
            const future = p.future(nowNs);
            if (future === undefined) continue;
            expect(future.chunk.rows).toBeLessThanOrEqual(128);
            expect(future.chunk.actions.every((v) => v >= -3 && v <= 3)).toBe(true);
            expect(nowNs - future.startNs).toBeLessThan(PERIOD_S * S + 1);
            expect(p.depthAt(nowNs)).toBeLessThanOrEqual(future.chunk.rows);
          }
        },
      ),
    );
  });
});
