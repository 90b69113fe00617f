import type { Clock } from '../core/clock.ts';
import { type MyelinError, toMyelinError } from '../core/errors.ts';
import { ArmSegment, type ArmSnapshot, createArmSnapshot } from '../segment/arm-segment.ts';
import { ChunkWriter } from '../segment/chunk-exchange.ts';
import { Lease } from '../segment/lease.ts';

export interface ArmLinkOptions {
  readonly segment: string;
  /** Who commands, for people. */
  readonly name: string;
  readonly clock: Clock;
}

/**
 * The way to the arm: attaches to its segment, takes the lease, gives heartbeats, and does all of it again when the
 * control process was restarted or the lease was lost. `refresh()` often; it never waits.
 */
export class ArmLink implements Disposable {
  readonly #options: ArmLinkOptions;
  readonly #snapshot = createArmSnapshot();
  #segment: ArmSegment | undefined;
  #lease: Lease | undefined;
  #writer: ChunkWriter | undefined;
  #problem: MyelinError | undefined;

  constructor(options: ArmLinkOptions) {
    this.#options = options;
  }

  /** Attached and in command. */
  get ready(): boolean {
    return this.#lease !== undefined;
  }

  /** Why it is not ready. */
  get problem(): MyelinError | undefined {
    return this.ready ? undefined : this.#problem;
  }

  get segment(): ArmSegment | undefined {
    return this.#segment;
  }

  get writer(): ChunkWriter | undefined {
    return this.ready ? this.#writer : undefined;
  }

  /** Attaches where needed and gives a heartbeat. True when it has just come into command. */
  refresh(): boolean {
    const { clock, segment, name } = this.#options;
    const nowNs = clock.nowNs();
    if (this.#segment !== undefined && !(this.#segment.ownerAlive && this.#segment.current)) this.#detach();
    if (this.#lease !== undefined && !this.#lease.heartbeat(nowNs, clock.unixS())) this.#lease = undefined;
    if (this.#lease !== undefined) return false;
    try {
      this.#segment ??= ArmSegment.open(segment);
      this.#lease = Lease.acquire(this.#segment, name, nowNs);
      this.#lease.heartbeat(nowNs, clock.unixS());
      this.#writer = new ChunkWriter(this.#segment);
      return true;
    } catch (thrown) {
      this.#problem = toMyelinError(thrown);
      return false;
    }
  }

  /** The state of one whole tick, or undefined when there is none to be had. The object is used again. */
  read(): ArmSnapshot | undefined {
    return this.#segment?.readState(this.#snapshot) ? this.#snapshot : undefined;
  }

  /** Sets request bits. False when there is no arm. */
  request(bits: number): boolean {
    this.#segment?.request(bits);
    return this.#segment !== undefined;
  }

  /** Gives the lease back. */
  close(): void {
    this.#detach();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #detach(): void {
    this.#lease?.release();
    this.#segment?.close();
    this.#lease = undefined;
    this.#writer = undefined;
    this.#segment = undefined;
  }
}
