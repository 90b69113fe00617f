import { MyelinError } from '../core/errors.ts';
import { COMMANDER_LAYOUT } from './arm-layout.ts';
import type { ArmSegment } from './arm-segment.ts';
import { commanderId, commanderMayLive } from './commander-id.ts';

const OWNER = COMMANDER_LAYOUT.leaseOwner.offset / 4;
const DEFAULT_TIMEOUT_NS = 1e9;

export interface LeaseHolder {
  /** Its process id; 2^31 and above when it has none here. */
  readonly pid: number;
  readonly name: string;
  /** Since its last heartbeat. */
  readonly ageNs: number;
}

const timeoutNs = (segment: ArmSegment): number => {
  const { watchdogTimeoutS } = segment.fields;
  return watchdogTimeoutS > 0 ? watchdogTimeoutS * 1e9 : DEFAULT_TIMEOUT_NS;
};

export interface LeaseOptions {
  /**
   * Without a heartbeat for so long the arm is to hold, s. Default 0: no such promise, and what was published last
   * is carried out until the watchdog ends it.
   */
  readonly holdTimeoutS?: number;
}

/**
 * The right to command the arm: one process at a time has it. It lapses when its holder dies, or gives no
 * heartbeat for a watchdog timeout. Requests need no lease, and a stop least of all.
 */
export class Lease implements Disposable {
  readonly #segment: ArmSegment;
  readonly #id: number;

  private constructor(segment: ArmSegment) {
    this.#segment = segment;
    this.#id = commanderId(segment);
  }

  /** @throws MyelinError LEASE_HELD when another process has it */
  static acquire(segment: ArmSegment, name: string, nowNs: number, options: LeaseOptions = {}): Lease {
    const lease = new Lease(segment);
    segment.memory.exclusively(() => lease.#take(name, nowNs, options.holdTimeoutS ?? 0));
    return lease;
  }

  #take(name: string, nowNs: number, holdTimeoutS: number): void {
    const segment = this.#segment;
    const before = Atomics.load(segment.words, OWNER);
    const holder = before === this.#id ? undefined : Lease.holder(segment, nowNs);
    const taken =
      holder === undefined && Atomics.compareExchange(segment.words, OWNER, before, this.#id) === before;
    // Two may take a lapsed lease one after the other before the first has given a sign of life; the word decides.
    if (taken) segment.fields.leaseHeartbeatNs = nowNs;
    if (!taken || !this.held) {
      const other = holder ?? { pid: Atomics.load(segment.words, OWNER), name: 'another process' };
      throw new MyelinError('LEASE_HELD', { holder: describeHolder(other) });
    }
    segment.fields.holdTimeoutS = holdTimeoutS;
    segment.fields.leaseName = name;
  }

  /** Ends the tenure of commander `id`, by somebody who answers for it. Whether it had one. */
  static revoke(segment: ArmSegment, id: number): boolean {
    return segment.memory.exclusively(() => Atomics.compareExchange(segment.words, OWNER, id, 0) === id);
  }

  /** Who holds the lease now; undefined when it is free, lapsed, or its holder has died. */
  static holder(segment: ArmSegment, nowNs: number): LeaseHolder | undefined {
    const pid = Atomics.load(segment.words, OWNER);
    if (!Lease.isHeld(segment, nowNs) || !commanderMayLive(segment, pid)) return undefined;
    return { pid, name: segment.fields.leaseName, ageNs: nowNs - segment.fields.leaseHeartbeatNs };
  }

  /**
   * Whether somebody holds the lease and gives heartbeats. A heartbeat more than the timeout ahead of this clock is
   * one that never was: it must not keep the lease until its time comes. Allocates nothing; for the control loop.
   */
  static isHeld(segment: ArmSegment, nowNs: number): boolean {
    if (Atomics.load(segment.words, OWNER) === 0) return false;
    const ageNs = nowNs - segment.fields.leaseHeartbeatNs;
    const limitNs = timeoutNs(segment);
    return ageNs < limitNs && ageNs >= -limitNs;
  }

  /** Whether this lease has not been lost to another process. */
  get held(): boolean {
    return Atomics.load(this.#segment.words, OWNER) === this.#id;
  }

  /**
   * Gives a sign of life, which also feeds the watchdog. False when the lease was lost: after a pause longer than
   * the timeout another process may have taken it, and nothing may be sent any more.
   */
  heartbeat(nowNs: number, unixS: number): boolean {
    if (!this.held) return false;
    this.#segment.fields.leaseHeartbeatNs = nowNs;
    this.#segment.fields.inferenceTimestampS = unixS;
    return true;
  }

  /** Gives the lease back. Does nothing when it was lost or given back before. */
  release(): void {
    Lease.revoke(this.#segment, this.#id);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** `policy (process 12)`; of a commander that has no process id here only the name. */
const describeHolder = ({ pid, name }: Pick<LeaseHolder, 'pid' | 'name'>): string =>
  pid < 2 ** 31 ? `${name} (process ${pid})` : name;
