import { COMMANDER_LAYOUT, SEED_LAYOUT } from '../segment/arm-layout.ts';
import type { ArmSegment } from '../segment/arm-segment.ts';
import { Lease } from '../segment/lease.ts';

const LEASE = COMMANDER_LAYOUT.leaseHeartbeatNs.offset / 8;
const PROMISE = COMMANDER_LAYOUT.holdTimeoutS.offset / 8;
const SCRIPT = SEED_LAYOUT.inferenceTimestampS.offset / 8;

/**
 * Whether somebody commands the arm and lives. A heartbeat is a change that this process sees, at the time at which
 * it sees it: what a peer claims of the time counts for nothing. While a lease is held only its holder's counts.
 */
export class HeartbeatWatch {
  readonly #segment: ArmSegment;
  readonly #numbers: Float64Array;
  /** Lease heartbeat and script heartbeat as last seen, and the time of the last change. */
  readonly #seen = new Float64Array(3);

  constructor(segment: ArmSegment) {
    this.#segment = segment;
    this.#numbers = new Float64Array(segment.memory.buffer);
    this.#seen[0] = this.#numbers[LEASE]!;
    this.#seen[1] = this.#numbers[SCRIPT]!;
  }

  /** Gives the commander a whole timeout from now on. */
  restart(nowNs: number): void {
    this.#seen[2] = nowNs;
  }

  /** Looks once and returns the time since the last heartbeat, ns. Call it every tick. */
  silentNs(nowNs: number): number {
    const lease = this.#numbers[LEASE]!;
    const script = this.#numbers[SCRIPT]!;
    const leaseBeat = !Object.is(lease, this.#seen[0]);
    const scriptBeat = !Object.is(script, this.#seen[1]);
    this.#seen[0] = lease;
    this.#seen[1] = script;
    const held = Lease.isHeld(this.#segment, nowNs);
    if (held ? leaseBeat : scriptBeat) this.#seen[2] = nowNs;
    return nowNs - this.#seen[2]!;
  }

  /** Whether the last heartbeat is longer ago than the holder of the lease promised. After {@link silentNs}. */
  overdue(nowNs: number): boolean {
    const promisedS = this.#numbers[PROMISE]!;
    return promisedS > 0 && nowNs - this.#seen[2]! >= promisedS * 1e9;
  }
}
