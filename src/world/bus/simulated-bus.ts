import type { Random } from '../random.ts';
import { frameBits } from './bit-time.ts';
import { FaultPlan } from './faults.ts';
import { FrameQueue } from './frame-queue.ts';

/** What a motor shows the bus. */
export interface BusMotor {
  readonly canId: number;
  /** Whether this frame is for this motor. */
  accepts(id: number, data: Uint8Array, length: number): boolean;
  /** Acts on a frame. Puts an answer, if any, into `reply` and returns its length, else -1. */
  receive(id: number, data: Uint8Array, length: number, nowNs: number, reply: MotorReply): number;
}

export interface MotorReply {
  id: number;
  readonly data: Uint8Array;
}

/** Whoever can put frames on the wire; `motor` is undefined for a computer. */
interface Station {
  readonly outbox: FrameQueue;
  readonly motor: BusMotor | undefined;
}

/** A computer on the bus: a control process, its guardian, a tool. Hosts hear each other and every motor. */
export class BusHost implements Station {
  readonly motor = undefined;
  /** Frames this host wants to send. */
  readonly outbox = new FrameQueue(64);
  /** Frames that have arrived for it. */
  readonly inbox = new FrameQueue(512);
  /** Frames lost because nobody emptied the inbox. */
  overruns = 0;
  /** It has left: what it had already handed over is still sent, then it is forgotten. */
  hasLeft = false;
}

export interface SimulatedBusOptions {
  /** Bits a second; 0 = frames take no time. Default 1 000 000. */
  readonly bitRate?: number;
  /** From the end of a command to its reply being ready to send, ns. Default 40 us, and up to 30 us more at random. */
  readonly replyLatencyNs?: number;
  readonly replyJitterNs?: number;
  readonly random: Random;
}

interface LateFrame {
  readonly dueNs: number;
  readonly sender: Station;
  readonly id: number;
  readonly length: number;
  readonly data: Uint8Array;
}

// Linux SocketCAN error frames, as every CAN interface reports them.
const ERROR_FRAME = 0x20000000;
export const ERROR_BUS_OFF = ERROR_FRAME | 0x40;
export const ERROR_RESTARTED = ERROR_FRAME | 0x100;
const NO_DATA = new Uint8Array(8);
const NEVER = Number.POSITIVE_INFINITY;

/**
 * A CAN bus in simulated time: one frame at a time, lowest id first among those that wait, each as long as its bits.
 * Motors answer after a latency, in competition with commands. Time is given by {@link SimulatedBus.advance}.
 */
export class SimulatedBus {
  readonly faults: FaultPlan;
  readonly #bitNs: number;
  readonly #latencyNs: number;
  readonly #jitterNs: number;
  readonly #random: Random;
  readonly #motors: (Station & { readonly motor: BusMotor })[] = [];
  readonly #reply: MotorReply = { id: 0, data: new Uint8Array(8) };
  #hosts: BusHost[] = [];
  #late: LateFrame[] = [];
  /** Whose frame is on the wire, and when it ends. */
  #sending: Station | undefined;
  #endNs = NEVER;
  #freeNs = 0;
  #busOffUntilNs: number | undefined;
  #frames = 0;
  #busyNs = 0;

  constructor(options: SimulatedBusOptions) {
    const { bitRate = 1_000_000, replyLatencyNs = 40_000, replyJitterNs = 30_000, random } = options;
    this.#bitNs = bitRate === 0 ? 0 : 1e9 / bitRate;
    this.#latencyNs = replyLatencyNs;
    this.#jitterNs = replyJitterNs;
    this.#random = random;
    this.faults = new FaultPlan(random);
  }

  addMotor(motor: BusMotor): void {
    this.#motors.push({ outbox: new FrameQueue(16), motor });
  }

  attach(): BusHost {
    const host = new BusHost();
    this.#hosts.push(host);
    return host;
  }

  detach(host: BusHost): void {
    host.hasLeft = true;
    this.#forgetIfDone(host);
  }

  get hosts(): readonly BusHost[] {
    return this.#hosts;
  }

  /** Frames sent since the start, and how long the wire was in use for them, ns. */
  get frames(): number {
    return this.#frames;
  }
  get busyNs(): number {
    return this.#busyNs;
  }

  /** Whether frames take time. */
  get isTimed(): boolean {
    return this.#bitNs > 0;
  }

  get isBusOff(): boolean {
    return this.#busOffUntilNs !== undefined;
  }

  /** Takes every host off the bus until `untilNs`: nothing they send or should hear gets through. */
  busOff(untilNs: number): void {
    this.#sending = undefined;
    this.#busOffUntilNs = untilNs;
    for (const host of this.#hosts) host.outbox.clear();
    this.#tellHosts(ERROR_BUS_OFF);
  }

  /** Frames that wait to be sent or are on the wire. */
  get pending(): number {
    let count = 0;
    for (const { outbox } of this.#motors) count += outbox.count;
    for (const { outbox } of this.#hosts) count += outbox.count;
    return count;
  }

  /** When something next happens by itself, ns; Infinity if nothing will. */
  get nextEventNs(): number {
    let next = this.#sending === undefined ? Math.max(this.#freeNs, this.#earliestDueNs()) : this.#endNs;
    for (const late of this.#late) if (late.dueNs < next) next = late.dueNs;
    return Math.min(next, this.#busOffUntilNs ?? NEVER);
  }

  /** Lets everything happen that is due up to `untilNs`. */
  advance(untilNs: number): void {
    for (;;) {
      const nowNs = this.nextEventNs;
      if (nowNs > untilNs) return;
      if (this.#busOffUntilNs !== undefined && this.#busOffUntilNs <= nowNs) this.#recover();
      else if (this.#late.length > 0 && this.#deliverLate(nowNs)) continue;
      else if (this.#sending === undefined) this.#begin(nowNs);
      else this.#complete(this.#sending, nowNs);
    }
  }

  #earliestDueNs(): number {
    let earliest = NEVER;
    for (const { outbox } of this.#motors) if (outbox.dueNs < earliest) earliest = outbox.dueNs;
    for (const { outbox } of this.#hosts) if (outbox.dueNs < earliest) earliest = outbox.dueNs;
    return earliest;
  }

  /** Arbitration: of all frames that are due the lowest id goes first, a motor before a host. */
  #begin(nowNs: number): void {
    let winner: Station | undefined;
    for (const station of this.#motors) winner = winnerOf(winner, station, nowNs);
    for (const station of this.#hosts) winner = winnerOf(winner, station, nowNs);
    if (winner === undefined) return;
    const { id, data, length } = winner.outbox;
    const durationNs = this.#bitNs === 0 ? 0 : this.#bitNs * frameBits(id, data, length);
    this.#busyNs += durationNs;
    this.#endNs = nowNs + durationNs;
    this.#sending = winner;
  }

  #complete(sender: Station, nowNs: number): void {
    this.#sending = undefined;
    this.#freeNs = nowNs;
    this.#frames += 1;
    // Off the bus a host's frames go nowhere.
    if (!this.isBusOff || sender.motor !== undefined) this.#judge(sender, nowNs);
    sender.outbox.pop();
    if (sender instanceof BusHost) this.#forgetIfDone(sender);
  }

  #judge(sender: Station, nowNs: number): void {
    const { id, data, length } = sender.outbox;
    const isReply = sender.motor !== undefined;
    const fault = this.faults.judge(sender.motor?.canId ?? this.#addressee(id, data, length), isReply);
    if (fault?.kind === 'lost') return;
    if (fault?.kind === 'late') {
      const dueNs = nowNs + this.faults.delayNs(fault);
      this.#late.push({ dueNs, sender, id, length, data: data.slice() });
      return;
    }
    if (fault?.kind === 'corrupted') this.faults.corrupt(data, length);
    this.#deliver(sender, id, data, length, nowNs);
  }

  #addressee(id: number, data: Uint8Array, length: number): number {
    for (const { motor } of this.#motors) if (motor.accepts(id, data, length)) return motor.canId;
    return id;
  }

  /** Everybody but the sender hears it; motors act on what is theirs. */
  #deliver(sender: Station, id: number, data: Uint8Array, length: number, nowNs: number): void {
    if (!this.isBusOff) {
      for (const host of this.#hosts) {
        if (host === sender || host.hasLeft) continue;
        if (!host.inbox.push(id, data, length, nowNs)) host.overruns += 1;
      }
    }
    // Motors send state and answers only, so nothing they say is a command to another motor.
    if (sender.motor !== undefined) return;
    for (const { motor, outbox } of this.#motors) {
      if (!motor.accepts(id, data, length)) continue;
      const replyLength = motor.receive(id, data, length, nowNs, this.#reply);
      if (replyLength < 0) continue;
      const dueNs = nowNs + this.#latencyNs + this.#jitterNs * this.#random();
      outbox.push(this.#reply.id, this.#reply.data, replyLength, dueNs);
    }
  }

  #deliverLate(nowNs: number): boolean {
    const late = this.#late.find((frame) => frame.dueNs <= nowNs);
    if (late === undefined) return false;
    this.#late = this.#late.filter((frame) => frame !== late);
    this.#deliver(late.sender, late.id, late.data, late.length, nowNs);
    return true;
  }

  #recover(): void {
    this.#busOffUntilNs = undefined;
    // What hosts queued meanwhile never reached the controller.
    for (const host of this.#hosts) host.outbox.clear();
    this.#tellHosts(ERROR_RESTARTED);
  }

  #tellHosts(errorId: number): void {
    for (const host of this.#hosts) host.inbox.push(errorId, NO_DATA, 8, this.#freeNs);
  }

  #forgetIfDone(host: BusHost): void {
    if (host.hasLeft && host.outbox.count === 0) this.#hosts = this.#hosts.filter((other) => other !== host);
  }
}

const winnerOf = (best: Station | undefined, station: Station, nowNs: number): Station | undefined => {
  if (station.outbox.dueNs > nowNs) return best;
  return best === undefined || station.outbox.id < best.outbox.id ? station : best;
};
