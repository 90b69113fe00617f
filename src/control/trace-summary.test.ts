import { describe, expect, it } from 'vitest';
import { ControlState, ErrorBit, Request } from '../core/control-state.ts';
import { LimitBit } from './limit-bits.ts';
import { LOOP_COLUMNS } from './loop-statistics.ts';
import type { TraceDescription } from './trace-format.ts';
import { Trace } from './trace-reader.ts';
import { traceReport } from './trace-report.ts';
import { traceColumns } from './trace-row.ts';
import { exceeds, summarise } from './trace-summary.ts';

const DT = 0.002;
const description: TraceDescription = {
  columns: [...traceColumns(1), ...LOOP_COLUMNS],
  model: 'X5',
  interfaceName: 'world:test',
  dof: 1,
  jointNames: ['joint1'],
  periodNs: DT * 1e9,
  createdS: 1.75e9,
  limits: { positionMin: [-1], positionMax: [1], velocityMax: [2], accelerationMax: [10], jerkMax: [200] },
};

type Row = Readonly<Record<string, number>>;

/** A trace whose row `tick` has the given numbers; what is left out is 0, but the time, and a stiff, running arm. */
const trace = (ticks: number, row: (tick: number) => Row): Trace =>
  new Trace(
    description,
    1,
    Array.from({ length: ticks }, (_, tick) => {
      const numbers: Row = {
        timeNs: 1e9 + tick * 2e6,
        state: ControlState.RUNNING,
        stiffness: 1,
        ...row(tick),
      };
      return Float64Array.from(description.columns, (name) => numbers[name] ?? 0);
    }),
  );

describe('the summary of a trace', () => {
  it('differentiates the commanded pose exactly', () => {
    // q = j t^3 / 6: the third difference is the jerk itself.
    const { joints, jumps } = summarise(
      trace(100, (tick) => ({ commandedPosition0: (90 * (tick * DT) ** 3) / 6 })),
    );
    expect(joints[0]?.jerk.most).toBeCloseTo(90, 4);
    expect(joints[0]?.acceleration.most).toBeCloseTo(90 * 98 * DT, 6);
    expect(joints[0]?.velocity).toEqual({ most: expect.closeTo((90 / 6) * 29107 * DT ** 2, 9), limit: 2 });
    expect(jumps).toEqual([]);
    expect(
      joints.map(({ velocity, acceleration, jerk }) => [velocity, acceleration, jerk].map((e) => exceeds(e))),
    ).toEqual([[false, true, false]]);
  });

  it('finds the tick at which the pose jumps', () => {
    const { jumps, joints } = summarise(
      trace(100, (tick) => ({ commandedPosition0: tick < 50 ? 0.1 : 0.11 })),
    );
    expect(jumps).toEqual([{ atS: expect.closeTo(0.1), joint: 'joint1', distance: expect.closeTo(0.01) }]);
    expect(exceeds(joints[0]!.acceleration)).toBe(true);
  });

  it('does not call the pose of a limp arm a command', () => {
    const limp = (tick: number) => ({
      stiffness: tick >= 40 && tick < 60 ? 0 : 1,
      commandedPosition0: tick < 50 ? 0 : 1,
    });
    const { jumps, joints } = summarise(trace(100, limp));
    expect(jumps).toEqual([]);
    expect(joints[0]?.jerk.most).toBe(0);
  });

  it('tells how long each state lasted and what happened', () => {
    const summary = summarise(
      trace(100, (tick) => ({
        state: tick < 10 ? ControlState.IDLE : ControlState.RUNNING,
        requests: tick === 10 ? Request.START : 0,
        errors: tick >= 50 ? ErrorBit.TIMEOUT : 0,
        missed: tick === 70 ? 3 : 0,
        limitsHit: tick % 2 === 0 ? LimitBit.VELOCITY | LimitBit.JERK : 0,
        latenessNs: tick * 1000,
        chunksRefused: tick >= 20 ? 2 : 0,
      })),
    );
    expect(summary.states).toEqual([
      { state: 'IDLE', seconds: expect.closeTo(0.02) },
      { state: 'RUNNING', seconds: expect.closeTo(0.18) },
    ]);
    expect(summary.story.map(({ atS, text }) => `${atS.toFixed(2)} ${text}`)).toEqual([
      '0.00 IDLE',
      '0.02 request START',
      '0.02 IDLE -> RUNNING',
      '0.10 error TIMEOUT',
      '0.14 3 periods missed',
    ]);
    expect(summary.limits).toEqual([
      { limit: 'VELOCITY', ticks: 50 },
      { limit: 'JERK', ticks: 50 },
    ]);
    expect(summary).toMatchObject({ ticks: 100, missed: 3, chunksRefused: 2, seconds: expect.closeTo(0.2) });
    expect(summary.latenessUs).toEqual({ p50: 50, p99: 99, p999: 99, most: 99 });
  });

  it('is readable', () => {
    const text = traceReport(
      description,
      summarise(trace(100, (tick) => ({ commandedPosition0: tick < 50 ? 0 : 1, limitsHit: LimitBit.JERK }))),
    );
    expect(text).toContain('ARX X5 on world:test, 500 Hz');
    expect(text).toMatch(/joint1 +500 \/ 2 EXCEEDED/);
    expect(text).toContain('1 JUMPS of the commanded pose, the first at 0.100 s (joint1, 1)');
    expect(text).toContain('Limited: JERK in 100 ticks');
  });

  it('copes with a trace of nothing', () => {
    const summary = summarise(trace(0, () => ({})));
    expect(summary).toMatchObject({ ticks: 0, seconds: 0, states: [], story: [], jumps: [] });
    expect(traceReport(description, summary)).toContain('0 ticks');
  });
});
