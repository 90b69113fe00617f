/** How the loop looks after its guardian: cheap enough for every tick, allocates nothing. */
export interface ParentWatchOptions {
  readonly guardianPid: number;
  /** Id of the process's parent now. */
  readonly parentPid: () => number;
  /** One number: monotonic time of the guardian's last sign of life, ns. */
  readonly heartbeat: Float64Array;
  readonly timeoutNs: number;
}

/** Why the guardian counts as lost: it is gone, or it stands still. */
export const GuardianLoss = { NONE: 0, DIED: 1, FROZEN: 2 } as const;
export type GuardianLossCode = (typeof GuardianLoss)[keyof typeof GuardianLoss];

export class ParentWatch {
  readonly #options: ParentWatchOptions;

  constructor(options: ParentWatchOptions) {
    this.#options = options;
  }

  check(nowNs: number): GuardianLossCode {
    const { guardianPid, parentPid, heartbeat, timeoutNs } = this.#options;
    if (parentPid() !== guardianPid) return GuardianLoss.DIED;
    return nowNs - heartbeat[0]! > timeoutNs ? GuardianLoss.FROZEN : GuardianLoss.NONE;
  }
}
