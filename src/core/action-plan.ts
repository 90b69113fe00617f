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
  #pace = 1;
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
    const step = Math.floor((nowNs - this.#originNs) / this.#stepNs);
    return Math.min(Math.max(step, this.#first), this.#first + this.#rows.length);
  }

  /** Actions that are not due yet at `nowNs`, rows. */
  depthAt(nowNs: number): number {
    const steps = this.#first + this.#rows.length - 1 - (nowNs - this.#originNs) / this.#stepNs;
    return this.#rows.length === 0 ? 0 : Math.max(0, Math.min(this.#rows.length, Math.ceil(steps)));
  }

  /** Merges a chunk that became known at `nowNs`. A plan that has run out starts anew at its row 0. */
  merge(chunk: ActionChunk, nowNs: number): MergeResult {
    const refused = this.#refusal(chunk);
    if (refused !== undefined) return { taken: 0, late: 0, refused };
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

  /**
   * Merges a chunk that was made to continue this plan (real-time chunking). Rows whose time has come stay as they
   * were executed; all others are the chunk's, and nothing is left of the old plan. A plan that has run out meanwhile
   * goes on at the chunk's first row that was not executed, not at its row 0.
   */
  replace(chunk: ActionChunk, nowNs: number): MergeResult {
    const refused = this.#refusal(chunk);
    if (refused !== undefined) return { taken: 0, late: 0, refused };
    const starved = this.depthAt(nowNs) === 0;
    const executed = this.#begunAt(nowNs) - chunk.timestep;
    const late = Math.max(0, Math.min(executed, chunk.rows));
    const rows = Array.from({ length: Math.min(chunk.rows, MAX_CHUNK_ROWS) - late }, (_, i) =>
      chunk.actions.slice((late + i) * this.dof, (late + i + 1) * this.dof),
    );
    this.#newestObservation = chunk.timestep;
    // A chunk that came too late altogether changes nothing: what runs, runs out.
    if (rows.length === 0) return { taken: 0, late };
    this.#observedNs = chunk.observedNs;
    if (starved) {
      this.#startAnew(chunk.timestep + late, nowNs);
      this.#rows = rows;
    } else {
      this.#forget(this.timestepAt(nowNs));
      this.#rows = [...this.#rows.slice(0, chunk.timestep + late - this.#first), ...rows];
    }
    return { taken: rows.length, late };
  }

  /** Rows from `timestep` on, row by row; none when the plan has run out. */
  rowsFrom(timestep: number): Float64Array {
    const rows = this.#rows.slice(Math.max(0, timestep - this.#first));
    const actions = new Float64Array(rows.length * this.dof);
    for (const [row, action] of rows.entries()) actions.set(action, row * this.dof);
    return actions;
  }

  /** What is still to be done at `nowNs`, the action being executed first; undefined when the plan has run out. */
  future(nowNs: number): PlannedFuture | undefined {
    if (this.depthAt(nowNs) === 0) return undefined;
    this.#forget(this.timestepAt(nowNs));
    const { dof } = this;
    return {
      chunk: {
        actions: this.rowsFrom(this.#first),
        rows: this.#rows.length,
        dof,
        stepPeriodS: this.stepPeriodS * this.#pace,
        timestep: this.#first,
        observedNs: this.#observedNs,
      },
      startNs: this.#originNs + this.#first * this.#stepNs,
    };
  }

  /** How much longer than usual a step takes from `nowNs` on; 1 is as usual. The present step stays the present one. */
  setPace(pace: number, nowNs: number): void {
    const step = (nowNs - this.#originNs) / this.#stepNs;
    this.#pace = pace;
    this.#originNs = nowNs - step * this.#stepNs;
  }

  /** Forgets every action; steps go on counting, so chunks still being computed are recognised as old. */
  clear(nowNs: number): void {
    this.#first = this.timestepAt(nowNs) + 1;
    this.#rows = [];
    this.#newestObservation = this.#first;
  }

  get #stepNs(): number {
    return this.stepPeriodS * 1e9 * this.#pace;
  }

  #refusal(chunk: ActionChunk): MergeResult['refused'] {
    if (chunk.dof !== this.dof || chunk.rows < 1) return 'of another shape';
    return chunk.timestep < this.#newestObservation ? 'older than one already merged' : undefined;
  }

  /** The first step whose time has not come yet. */
  #begunAt(nowNs: number): number {
    return Math.min(this.timestepAt(nowNs) + 1, this.#first + this.#rows.length);
  }

  #startAnew(timestep: number, nowNs: number): void {
    this.#rows = [];
    this.#first = timestep;
    this.#originNs = nowNs + LEAD_S * 1e9 - timestep * this.#stepNs;
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
