import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LoadReport } from './load-report.ts';
import { Roster } from './roster.ts';

const report = (worker: string, more: Partial<LoadReport> = {}): LoadReport => ({
  kind: 'load',
  worker,
  name: worker,
  device: 'cpu',
  models: ['act'],
  sessions: 0,
  in_flight: 0,
  queued: 0,
  answered: 0,
  leaving: false,
  report_ms: 100,
  ...more,
});

function setUp(...reports: LoadReport[]) {
  const clock = { nowMs: 0 };
  const roster = new Roster(() => clock.nowMs);
  for (const each of reports) roster.hear(each);
  return { roster, clock };
}

describe('the roster', () => {
  it('chooses the worker where a robot waits least, by robots there and what an answer takes', () => {
    const { roster } = setUp(
      report('slow', { sessions: 1, p50_ms: 100 }),
      report('fast', { sessions: 3, p50_ms: 10 }),
      report('busy', { sessions: 3, in_flight: 1, queued: 2, p50_ms: 10 }),
    );
    expect(roster.choose('act')).toEqual(['fast', 'busy', 'slow']);
  });

  it('leaves out workers without the model, those excluded, those that leave and those not heard lately', () => {
    const { roster, clock } = setUp(report('silent'));
    clock.nowMs = 301;
    roster.hear(report('other', { models: ['pi05'] }));
    roster.hear(report('leaving', { leaving: true }));
    roster.hear(report('failed'));
    roster.hear(report('good'));
    expect(roster.choose('act', ['failed'])).toEqual(['good']);
    expect(roster.models).toEqual(['act', 'pi05']);
    expect(roster.present.map(({ worker }) => worker)).toEqual(['other', 'failed', 'good']);
  });

  it('spreads robots that come between two reports evenly', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 60 }), (workers, robots) => {
        const { roster } = setUp(...Array.from({ length: workers }, (_, i) => report(`worker-${i}`)));
        const counts = new Map<string, number>();
        for (let i = 0; i < robots; i++) {
          const [best = ''] = roster.choose('act');
          counts.set(best, (counts.get(best) ?? 0) + 1);
        }
        for (const count of counts.values()) expect(count).toBeLessThanOrEqual(Math.ceil(robots / workers));
      }),
    );
  });

  it('has nobody for a model that nobody serves', () => {
    expect(setUp(report('a')).roster.choose('pi05')).toEqual([]);
  });
});
