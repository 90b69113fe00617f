export interface StarvationOptions {
  /** Actions that come back after this long are executed slowly at first, s. Default 1. */
  readonly slowAfterS?: number;
  /** How much longer a step then takes. Default 2. */
  readonly slowPace?: number;
  /** After this long without actions the arm is sent home, s. Default: never. */
  readonly homeAfterS?: number;
}

const SLOW_AFTER_S = 1;
const SLOW_PACE = 2;

/**
 * What to do when an arm that was moving gets no more actions. At once it holds: that is the control process's doing.
 * When actions come back soon, all goes on as before; when it took long, the world may have changed, and the first
 * chunk is executed slowly; when it takes too long, the arm goes home.
 */
export class Starvation {
  readonly #slowAfterNs: number;
  readonly #slowPace: number;
  readonly #homeAfterNs: number;
  #acted = false;
  #sinceNs: number | undefined;
  #sentHome = false;

  constructor({ slowAfterS = SLOW_AFTER_S, slowPace = SLOW_PACE, homeAfterS }: StarvationOptions = {}) {
    this.#slowAfterNs = slowAfterS * 1e9;
    this.#slowPace = slowPace;
    this.#homeAfterNs = homeAfterS === undefined ? Number.POSITIVE_INFINITY : homeAfterS * 1e9;
  }

  /** Whether the arm is out of actions. */
  get starved(): boolean {
    return this.#sinceNs !== undefined;
  }

  /**
   * Looks at the plan while the arm runs.
   * @param depth actions that are not due yet
   * @returns `starved` when it has just run out, `home` when the arm is to go home now
   */
  look(depth: number, nowNs: number): 'starved' | 'home' | undefined {
    if (depth > 0) {
      this.#acted = true;
      this.#sinceNs = undefined;
      this.#sentHome = false;
      return undefined;
    }
    // Before its first action an arm waits for a policy to load; that is no starvation.
    if (!this.#acted) return undefined;
    if (this.#sinceNs === undefined) {
      this.#sinceNs = nowNs;
      return 'starved';
    }
    if (this.#sentHome || nowNs - this.#sinceNs < this.#homeAfterNs) return undefined;
    this.#sentHome = true;
    return 'home';
  }

  /** How much longer than usual a step takes from now on: a chunk has come. */
  pace(nowNs: number): number {
    const slow = this.#sinceNs !== undefined && nowNs - this.#sinceNs >= this.#slowAfterNs;
    return slow ? this.#slowPace : 1;
  }

  /** The arm does not run any more. */
  reset(): void {
    this.#acted = false;
    this.#sinceNs = undefined;
    this.#sentHome = false;
  }
}
