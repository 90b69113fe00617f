import { Backoff } from '../../websocket/backoff.ts';

/**
 * Keeps requests away from a server that fails: after some failures in a row it is left alone for a while, then one
 * request tries it; when that fails too, it is left alone for longer.
 */
export class CircuitBreaker {
  readonly #threshold: number;
  readonly #nowMs: () => number;
  readonly #backoff: Backoff;
  #failures = 0;
  #openUntilMs: number | undefined;
  #trying = false;

  /**
   * @param threshold failures in a row that open it
   * @param nowMs monotonic time, ms
   * @param backoff pauses, one after the other
   */
  constructor(threshold: number, nowMs: () => number, backoff: Backoff = new Backoff(500, 30_000)) {
    this.#threshold = threshold;
    this.#nowMs = nowMs;
    this.#backoff = backoff;
  }

  /** `closed`: all is well. `open`: no requests. `trying`: one request may go, or is under way. */
  get state(): 'closed' | 'open' | 'trying' {
    if (this.#openUntilMs === undefined) return 'closed';
    return this.#trying || this.#nowMs() >= this.#openUntilMs ? 'trying' : 'open';
  }

  /** Whether a request may go now. */
  get allows(): boolean {
    return this.state === 'closed' || (this.state === 'trying' && !this.#trying);
  }

  /** A request goes. */
  begin(): void {
    if (this.state === 'trying') this.#trying = true;
  }

  succeed(): void {
    this.#failures = 0;
    this.#openUntilMs = undefined;
    this.#trying = false;
    this.#backoff.reset();
  }

  /** @param weight failures that it counts as */
  fail(weight = 1): void {
    this.#failures += weight;
    const tried = this.#trying;
    this.#trying = false;
    if (tried || (this.#failures >= this.#threshold && this.#openUntilMs === undefined))
      this.#openUntilMs = this.#nowMs() + this.#backoff.nextMs();
  }

  /** The request came to nothing that says anything about the server. */
  abandon(): void {
    this.#trying = false;
  }
}
