/**
 * An action chunk: what a policy wants the arm to do over the next few policy steps.
 * Row `i` is the pose due at the start time plus `i` step periods.
 */
export interface ActionChunk {
  /** `rows * dof` numbers, row by row: arm joints rad, then gripper m. */
  readonly actions: Float64Array;
  readonly rows: number;
  readonly dof: number;
  /** Seconds between rows. */
  readonly stepPeriodS: number;
  /** Policy step of row 0. */
  readonly timestep: number;
  /** Monotonic time of the observation it was computed from, ns. */
  readonly observedNs: number;
}
