import { AGGREGATE_WEIGHTS, type AggregateName, aggregate } from './aggregation.ts';
import type { ActionChunk } from './chunk.ts';
import { MAX_CHUNK_ROWS } from './joints.ts';

export interface ActionPlanOptions {
  /** Numbers a row. */
  readonly dof: number;
  /** Seconds between rows. */
  readonly stepPeriodS: number;
  /** Default `weighted_average`. */
  readonly aggregateName?: AggregateName;
}

/** What became of a chunk: rows taken over, rows already over, or why none was taken. */
export interface MergeResult {
  readonly taken: number;
  readonly late: number;
  readonly refused?: 'older than one already merged' | 'of another shape';
}

/** The plan from now on, for publication. */
export interface PlannedFuture {
  readonly chunk: ActionChunk;
  /** Monotonic time at which row 0 is due, ns; it may lie up to one step in the past. */
  readonly startNs: number;
}

/** Rows to start with after an empty plan are due this long after the merge, so that the first is not late at once. */
const LEAD_S = 0.02;

/**
 * The actions of the near future by policy step. Step `k` is due at the plan's origin plus `k` step periods. A chunk
 * computed from the observation of step `k` says what to do from step `k` on: rows already over are dropped, rows
 * for steps that have an action are aggregated, the rest is appended. While the plan is empty the step count stands
 * still, so an arm that waited for its first chunk executes it from its first row.
 */
export class ActionPlan {
  readonly dof: number;
  readonly stepPeriodS: number;
  readonly #weight: number;
  /** Actions of steps `#first`, `#first + 1`, ... */
  #rows: Float64Array[] = [];
  #first = 0;
  #originNs = Number.NaN;
  #newestObservation = Number.NEGATIVE_INFINITY;
  #observedNs = 0;

  constructor({ dof, stepPeriodS, aggregateName = 'weighted_average' }: ActionPlanOptions) {
    if (!(dof >= 1) || !(stepPeriodS > 0))
      throw new RangeError(`no plan of ${dof} numbers every ${stepPeriodS} s`);
    this.dof = dof;
    this.stepPeriodS = stepPeriodS;
    this.#weight = AGGREGATE_WEIGHTS[aggregateName];
  }

  /** The policy step being executed at `nowNs`; an observation taken now belongs to it. */
  timestepAt(nowNs: number): number {
    if (this.#rows.length === 0) return this.#first;
    const step = Math.floor((nowNs - this.#originNs) / (this.stepPeriodS * 1e9));
    return Math.min(Math.max(step, this.#first), this.#first + this.#rows.length);
  }

  /** Actions that are not due yet at `nowNs`, rows. */
  depthAt(nowNs: number): number {
    const steps = this.#first + this.#rows.length - 1 - (nowNs - this.#originNs) / (this.stepPeriodS * 1e9);
    return this.#rows.length === 0 ? 0 : Math.max(0, Math.min(this.#rows.length, Math.ceil(steps)));
  }

  /** Merges a chunk that became known at `nowNs`. A plan that has run out starts anew at its row 0. */
  merge(chunk: ActionChunk, nowNs: number): MergeResult {
    if (chunk.dof !== this.dof || chunk.rows < 1) return { taken: 0, late: 0, refused: 'of another shape' };
    if (chunk.timestep < this.#newestObservation) {
      return { taken: 0, late: 0, refused: 'older than one already merged' };
    }
    if (this.depthAt(nowNs) === 0) this.#startAnew(chunk.timestep, nowNs);
    this.#forget(this.timestepAt(nowNs));
    this.#newestObservation = chunk.timestep;
    this.#observedNs = chunk.observedNs;

    let late = 0;
    for (let row = 0; row < chunk.rows; row++) {
      const at = chunk.timestep + row - this.#first;
      const action = chunk.actions.subarray(row * this.dof, (row + 1) * this.dof);
      if (at < 0) late += 1;
      else if (at < this.#rows.length) this.#blend(at, action);
      else if (at < MAX_CHUNK_ROWS) this.#rows.push(action.slice());
    }
    return { taken: chunk.rows - late, late };
  }

  /** What is still to be done at `nowNs`, the action being executed first; undefined when the plan has run out. */
  future(nowNs: number): PlannedFuture | undefined {
    if (this.depthAt(nowNs) === 0) return undefined;
    this.#forget(this.timestepAt(nowNs));
    const actions = new Float64Array(this.#rows.length * this.dof);
    for (const [row, action] of this.#rows.entries()) actions.set(action, row * this.dof);
    const { dof, stepPeriodS } = this;
    return {
      chunk: {
        actions,
        rows: this.#rows.length,
        dof,
        stepPeriodS,
        timestep: this.#first,
        observedNs: this.#observedNs,
      },
      startNs: this.#originNs + this.#first * stepPeriodS * 1e9,
    };
  }

  /** Forgets every action; steps go on counting, so chunks still being computed are recognised as old. */
  clear(nowNs: number): void {
    this.#first = this.timestepAt(nowNs) + 1;
    this.#rows = [];
    this.#newestObservation = this.#first;
  }

  #startAnew(timestep: number, nowNs: number): void {
    this.#rows = [];
    this.#first = timestep;
    this.#originNs = nowNs + (LEAD_S - timestep * this.stepPeriodS) * 1e9;
  }

  #forget(before: number): void {
    const gone = Math.min(before - this.#first, this.#rows.length);
    if (gone <= 0) return;
    this.#rows.splice(0, gone);
    this.#first += gone;
  }

  #blend(at: number, action: Float64Array): void {
    const row = this.#rows[at];
    if (row === undefined) return;
    for (let i = 0; i < this.dof; i++) row[i] = aggregate(this.#weight, row[i] ?? 0, action[i] ?? 0);
  }
}
