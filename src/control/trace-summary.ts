import { percentile } from '../core/bench-table.ts';
import { bitNames, ErrorBit, Request, stateName } from '../core/control-state.ts';
import { LimitBit } from './limit-bits.ts';
import type { Trace } from './trace-reader.ts';

/** The largest value seen of something that has a limit. */
export interface Extreme {
  readonly most: number;
  /** NaN when there is none. */
  readonly limit: number;
}

export interface JointSummary {
  readonly joint: string;
  readonly velocity: Extreme;
  readonly acceleration: Extreme;
  readonly jerk: Extreme;
  /** Largest distance between commanded and measured pose. */
  readonly trackingError: number;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly most: number;
}

export interface TraceSummary {
  readonly ticks: number;
  readonly seconds: number;
  /** Ticks that were recorded before the first one here and have been overwritten. */
  readonly overwritten: number;
  /** Periods the loop skipped. */
  readonly missed: number;
  readonly states: readonly { readonly state: string; readonly seconds: number }[];
  /** What happened when, in seconds from the first tick. */
  readonly story: readonly { readonly atS: number; readonly text: string }[];
  readonly limits: readonly { readonly limit: string; readonly ticks: number }[];
  readonly joints: readonly JointSummary[];
  /** Ticks in which the commanded pose moved further than the velocity limit allows. */
  readonly jumps: readonly { readonly atS: number; readonly joint: string; readonly distance: number }[];
  readonly latenessUs: Spread;
  readonly executionUs: Spread;
  readonly feedbackAgeMs: Spread;
  readonly chunksRefused: number;
  readonly framesDropped: number;
}

/** More than this beyond a limit is no rounding. */
const TOLERANCE = 1e-6;
const STORY_LENGTH = 200;

/**
 * What a trace shows. Velocity, acceleration and jerk are finite differences of the commanded pose from tick to
 * tick at the nominal period, taken only where the motors are stiff: a limp arm's command follows its pose.
 */
export function summarise(trace: Trace): TraceSummary {
  const { description, length } = trace;
  const timeNs = trace.column('timeNs');
  const startNs = timeNs[0] ?? 0;
  const atS = (row: number): number => ((timeNs[row] ?? 0) - startNs) / 1e9;
  const joints = description.jointNames.map((name, joint) => jointMotion(trace, name, joint));
  return {
    ticks: length,
    seconds: length === 0 ? 0 : atS(length - 1) + description.periodNs / 1e9,
    overwritten: trace.firstSequence - 1,
    missed: trace.column('missed').reduce((sum, count) => sum + count, 0),
    states: stateTimes(trace, timeNs),
    story: story(trace, atS),
    limits: limitCounts(trace.column('limitsHit')),
    joints: joints.map(({ summary }) => summary),
    jumps: joints
      .flatMap(({ jumps }) => jumps)
      .map(({ row, joint, distance }) => ({ atS: atS(row), joint, distance }))
      .sort((one, other) => one.atS - other.atS),
    latenessUs: spread(trace.column('latenessNs'), 1e3),
    executionUs: spread(trace.column('executionNs'), 1e3),
    feedbackAgeMs: spread(trace.column('feedbackAgeMaxNs'), 1e6),
    chunksRefused: growth(trace.column('chunksRefused')),
    framesDropped: growth(trace.column('busDropped')),
  };
}

interface Jump {
  readonly row: number;
  readonly joint: string;
  readonly distance: number;
}

function jointMotion(trace: Trace, name: string, joint: number): { summary: JointSummary; jumps: Jump[] } {
  const { periodNs, limits } = trace.description;
  const dt = periodNs / 1e9;
  const commanded = trace.column(`commandedPosition${joint}`);
  const measured = trace.column(`position${joint}`);
  const stiffness = trace.column('stiffness');
  const velocityLimit = limits.velocityMax[joint] ?? Number.NaN;
  const most = [0, 0, 0];
  const jumps: Jump[] = [];
  let trackingError = 0;
  // Differences of order 1 to 3, as far as an unbroken run of stiff ticks gives them.
  let differences: number[] = [];
  for (let row = 0; row < trace.length; row++) {
    if (!(stiffness[row]! > 0)) {
      differences = [];
      continue;
    }
    trackingError = Math.max(trackingError, Math.abs(commanded[row]! - measured[row]!));
    const next = [commanded[row]!];
    for (let order = 0; order < Math.min(3, differences.length); order++) {
      next.push((next[order]! - differences[order]!) / dt);
    }
    differences = next;
    for (let order = 1; order < next.length; order++) {
      most[order - 1] = Math.max(most[order - 1]!, Math.abs(next[order]!));
    }
    const velocity = Math.abs(next[1] ?? 0);
    if (velocity > velocityLimit * (1 + TOLERANCE)) jumps.push({ row, joint: name, distance: velocity * dt });
  }
  const extreme = (order: number, limit: number | undefined): Extreme => ({
    most: most[order] ?? 0,
    limit: limit ?? Number.NaN,
  });
  return {
    summary: {
      joint: name,
      velocity: extreme(0, velocityLimit),
      acceleration: extreme(1, limits.accelerationMax[joint]),
      jerk: extreme(2, limits.jerkMax[joint]),
      trackingError,
    },
    jumps,
  };
}

/** Whether a value is beyond its limit by more than rounding. */
export const exceeds = ({ most, limit }: Extreme, tolerance = TOLERANCE): boolean =>
  most > limit * (1 + tolerance);

function stateTimes(trace: Trace, timeNs: Float64Array): { state: string; seconds: number }[] {
  const seconds = new Map<string, number>();
  for (let row = 0; row < trace.length; row++) {
    const state = stateName(trace.at(row, 'state'));
    const tickNs = row + 1 < trace.length ? timeNs[row + 1]! - timeNs[row]! : trace.description.periodNs;
    seconds.set(state, (seconds.get(state) ?? 0) + tickNs / 1e9);
  }
  return [...seconds].map(([state, s]) => ({ state, seconds: s }));
}

function story(trace: Trace, atS: (row: number) => number): { atS: number; text: string }[] {
  const lines: { atS: number; text: string }[] = [];
  const tell = (row: number, text: string) => {
    if (lines.length < STORY_LENGTH) lines.push({ atS: atS(row), text });
  };
  let state: number | undefined;
  let errors = 0;
  for (let row = 0; row < trace.length; row++) {
    const requests = trace.at(row, 'requests');
    if (requests !== 0) tell(row, `request ${bitNames(Request, requests).join(', ')}`);
    const now = trace.at(row, 'state');
    if (now !== state)
      tell(row, state === undefined ? stateName(now) : `${stateName(state)} -> ${stateName(now)}`);
    state = now;
    const newErrors = trace.at(row, 'errors') & ~errors;
    if (newErrors !== 0) tell(row, `error ${bitNames(ErrorBit, newErrors).join(', ')}`);
    errors = trace.at(row, 'errors');
    const missed = trace.at(row, 'missed');
    if (missed > 0) tell(row, `${missed} periods missed`);
  }
  return lines;
}

const limitCounts = (bits: Float64Array): { limit: string; ticks: number }[] =>
  Object.entries(LimitBit)
    .map(([limit, bit]) => ({
      limit,
      ticks: bits.reduce((sum, word) => sum + ((word & bit) === 0 ? 0 : 1), 0),
    }))
    .filter(({ ticks }) => ticks > 0);

const spread = (values: Float64Array, unit: number): Spread => {
  const sorted = values.filter(Number.isFinite).sort();
  const at = (share: number): number => percentile(sorted, share) / unit;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), most: at(1) };
};

const growth = (counter: Float64Array): number => (counter.at(-1) ?? 0) - (counter[0] ?? 0);
