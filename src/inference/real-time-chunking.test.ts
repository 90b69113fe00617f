import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ActionPlan } from '../core/action-plan.ts';
import type { PolicySpec, RealTimeSupport } from '../policies/policy.ts';
import { RealTimeChunking, type RealTimeOptions } from './real-time-chunking.ts';

const S = 1e9;
const PERIOD_S = 0.1;

const SUPPORT: RealTimeSupport = {
  mode: 'guided',
  trainedDelay: 0,
  executionHorizon: 4,
  schedule: 'exp',
  maxGuidance: 5,
};

const specOf = (realTime?: Partial<RealTimeSupport>): PolicySpec => ({
  name: 'test policy',
  cameras: [],
  stateNames: ['a'],
  actionNames: ['a'],
  chunkRows: 10,
  actionSteps: 10,
  subtasks: false,
  ...(realTime === undefined ? {} : { realTime: { ...SUPPORT, ...realTime } }),
});

/** A plan whose row of step k is k. */
function planOf(rows: number): ActionPlan {
  const plan = new ActionPlan({ dof: 1, stepPeriodS: PERIOD_S });
  const actions = Float64Array.from({ length: rows }, (_, i) => i);
  plan.merge({ actions, rows, dof: 1, stepPeriodS: PERIOD_S, timestep: 0, observedNs: 0 }, 0);
  return plan;
}

function chunking(options: RealTimeOptions = {}) {
  const events: string[] = [];
  const made = new RealTimeChunking(options, (text) => events.push(text));
  /** An answer that took so long; the first one is cold. */
  const answered = (seconds: number) =>
    made.accept(undefined, planOf(1), 0, { observedNs: 0, nowNs: seconds * S });
  return { made, events, answered };
}

describe('what a policy is asked to continue', () => {
  it('is the rows from the present one on, as many as the horizon, with the delay in steps', () => {
    const { made, answered } = chunking();
    answered(3);
    answered(0.25);
    // The lead of a new plan is 20 ms: step 2 began at 0.22 s, and at 0.53 s step 5 runs.
    expect(made.request(planOf(10), specOf({}), 0.28 * S)).toEqual({
      mode: 'guided',
      previous: Float64Array.of(2, 3, 4, 5),
      rows: 4,
      delaySteps: 4,
    });
  });

  it('goes on as the last row where the plan is shorter than the horizon: zeros would be a pose', () => {
    const { made } = chunking({ executionHorizon: 6, schedule: 'zeros', maxGuidance: 2 });
    expect(made.request(planOf(5), specOf({}), 0.28 * S)).toEqual({
      mode: 'guided',
      previous: Float64Array.of(2, 3, 4, 4, 4, 4),
      rows: 6,
      delaySteps: 1,
      executionHorizon: 6,
      schedule: 'zeros',
      maxGuidance: 2,
    });
  });

  it('is nothing when nothing runs, or the policy cannot, which is said once', () => {
    const { made, events } = chunking();
    expect(made.request(planOf(3), specOf({}), 5 * S)).toBeUndefined();
    expect(made.request(planOf(3), specOf(), 5 * S)).toBeUndefined();
    expect(events).toEqual([]);
    for (let i = 0; i < 3; i++) expect(made.request(planOf(10), specOf(), 0.1 * S)).toBeUndefined();
    expect(events).toEqual([expect.stringContaining('test policy cannot continue')]);
  });

  it('fixes, in a trained policy, what it was trained for before a delay is known, and no more than is left', () => {
    const { made, answered } = chunking();
    const trained = specOf({ mode: 'trained', trainedDelay: 3 });
    expect(made.request(planOf(10), trained, 0.03 * S)).toMatchObject({ mode: 'trained', delaySteps: 3 });
    expect(made.request(planOf(10), trained, 0.85 * S)).toMatchObject({ delaySteps: 2 });
    answered(9);
    answered(0.1);
    expect(made.request(planOf(10), trained, 0.03 * S)).toMatchObject({ delaySteps: 2 });
    answered(5);
    expect(made.request(planOf(10), trained, 0.03 * S)).toMatchObject({ delaySteps: 3 });
  });

  it('is refused when the checkpoint was not trained for what is wanted', () => {
    const { made } = chunking({ mode: 'trained' });
    expect(() => made.request(planOf(10), specOf({}), 0.1 * S)).toThrow('was not trained to continue');
  });

  it('never reaches beyond what is planned, whatever the times', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10 }),
        fc.nat(1500),
        fc.array(fc.nat(2000), { maxLength: 4 }),
        fc.constantFrom('guided', 'trained'),
        (planned, atMs, latenciesMs, mode) => {
          const { made, answered } = chunking();
          for (const latency of latenciesMs) answered(latency / 1000);
          const plan = planOf(planned);
          const asked = made.request(plan, specOf({ mode, trainedDelay: 3 }), atMs * 1e6);
          if (asked === undefined) {
            expect(plan.depthAt(atMs * 1e6)).toBe(0);
            return;
          }
          const left = plan.rowsFrom(plan.timestepAt(atMs * 1e6)).length;
          expect(asked.delaySteps).toBeGreaterThan(0);
          expect(asked.delaySteps).toBeLessThanOrEqual(Math.min(left, asked.mode === 'trained' ? 3 : 10));
          expect(asked.previous).toHaveLength(asked.rows);
        },
      ),
    );
  });
});

describe('an answer', () => {
  const trained = specOf({ mode: 'trained', trainedDelay: 2 });
  const ask = (made: RealTimeChunking) => {
    const plan = planOf(10);
    return { plan, asked: made.request(plan, trained, 0.05 * S) };
  };

  it('of a guided policy is always good', () => {
    const { made } = chunking({ mode: 'guided' });
    const { plan, asked } = ask(made);
    expect(made.accept(asked, plan, 0, { observedNs: 0.05 * S, nowNs: 0.8 * S })).toBe(true);
  });

  it('of a trained policy is dropped when rows have begun that it does not continue', () => {
    const { made, events } = chunking();
    const { plan, asked } = ask(made);
    expect(asked?.delaySteps).toBe(2);
    expect(made.accept(asked, plan, 0, { observedNs: 0.05 * S, nowNs: 0.2 * S })).toBe(true);
    expect(made.accept(asked, plan, 0, { observedNs: 0.05 * S, nowNs: 0.25 * S })).toBe(false);
    expect(events).toEqual(['dropped a chunk that came after 3 steps and continues 2']);
  });

  it('that comes after the plan ran out is better than none', () => {
    const { made } = chunking();
    const { plan, asked } = ask(made);
    expect(made.accept(asked, plan, 0, { observedNs: 0.05 * S, nowNs: 9 * S })).toBe(true);
  });

  it('that is late five times in a row makes it guided, which bears any delay', () => {
    const { made, events } = chunking();
    for (let i = 0; i < 5; i++) {
      const { plan, asked } = ask(made);
      made.accept(asked, plan, 0, { observedNs: 0.05 * S, nowNs: 0.5 * S });
    }
    expect(events).toHaveLength(5);
    expect(events.at(-1)).toContain('from now on guided');
    expect(ask(made).asked?.mode).toBe('guided');
  });
});
