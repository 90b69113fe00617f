import { Request } from '../../core/control-state.ts';
import { MyelinError } from '../../core/errors.ts';
import { monotonicNs, unixS } from '../../platform/clock.ts';
import { DEFAULT_ARM_SEGMENT } from '../../segment/arm-layout.ts';
import { ArmSegment, createArmSnapshot } from '../../segment/arm-segment.ts';
import { ChunkWriter } from '../../segment/chunk-exchange.ts';
import { Lease } from '../../segment/lease.ts';
import { type ArmLimits, type ArmState, armLimits, armState } from './arm-state.ts';

/** Several to a command timeout, so that one that comes late stops nothing. */
const BEAT_MS = 40;
const SILENT_NS = 1e9;
const DEFAULT_HOLD_TIMEOUT_S = 0.2;

export interface AccessOptions {
  /** The segment. Default: the one that Myelin gives this project, else `arx5_control`. */
  readonly name?: string;
  /** The lease is given back when nothing was asked of the arm for so long, s. Default 10. */
  readonly idleS?: number;
  /** Brings a moving arm to rest; called before the lease is given back. */
  readonly calm: () => void;
}

/**
 * The way to an arm for user code: its segment, also after the control process was started anew, and the lease with
 * its heartbeats. They stop when this process hangs, and the arm holds.
 */
export class ArmAccess {
  readonly name: string;
  readonly #options: AccessOptions;
  readonly #snapshot = createArmSnapshot();
  #segment: ArmSegment;
  #limits: ArmLimits;
  #lease: Lease | undefined;
  #writer: ChunkWriter | undefined;
  #timer: NodeJS.Timeout | undefined;
  #usedNs = monotonicNs();
  #closed = false;

  /** @throws MyelinError SEGMENT_MISSING, SEGMENT_VERSION, ARM_REFUSED */
  constructor(options: AccessOptions) {
    this.#options = options;
    this.name = options.name ?? givenSegment();
    this.#segment = ArmSegment.open(this.name);
    this.#limits = armLimits(this.#segment);
  }

  /** The segment, the newest of its name. @throws MyelinError SEGMENT_MISSING */
  get segment(): ArmSegment {
    if (this.#closed) {
      throw new MyelinError('ARM_HOLDS', { reason: 'this Arm was closed', advice: 'Connect again.' });
    }
    if (!this.#segment.current) {
      const newer = ArmSegment.open(this.name);
      this.#drop();
      this.#segment.close();
      this.#segment = newer;
      this.#limits = armLimits(newer);
    }
    return this.#segment;
  }

  get limits(): ArmLimits {
    return this.#limits;
  }

  get dof(): number {
    return this.#segment.fields.dof;
  }

  get held(): boolean {
    return this.#lease?.held ?? false;
  }

  /** Whether nobody else commands. */
  get free(): boolean {
    return this.held || Lease.holder(this.segment, monotonicNs()) === undefined;
  }

  /** The state of one whole tick. @throws MyelinError ARM_HOLDS when the control process is in the middle of it */
  read(): ArmState {
    const { segment } = this;
    this.#usedNs = monotonicNs();
    if (!segment.readState(this.#snapshot)) throw silent('it stopped in the middle of writing its state');
    return armState(this.#snapshot, this.dof);
  }

  request(name: keyof typeof Request): void {
    this.#usedNs = monotonicNs();
    this.segment.request(Request[name]);
  }

  /** Makes sure of a control process that lives, and of the lease. @throws MyelinError LEASE_HELD, ARM_HOLDS */
  command(name?: string): void {
    const { segment } = this;
    const nowNs = monotonicNs();
    const silentNs = nowNs - segment.fields.tickNs;
    if (silentNs > SILENT_NS) throw silent(`it has been silent for ${(silentNs / 1e9).toFixed(1)} s`);
    this.#usedNs = nowNs;
    if (this.held) return;
    const project = process.env.MYELIN_PROJECT;
    this.#lease = Lease.acquire(
      segment,
      project === undefined ? (name ?? 'a Node program') : `project ${project}`,
      nowNs,
      {
        holdTimeoutS: segment.fields.commandTimeoutS || DEFAULT_HOLD_TIMEOUT_S,
      },
    );
    this.#writer = new ChunkWriter(segment);
    this.#timer ??= setInterval(() => this.#keep(), BEAT_MS).unref();
    this.beat();
  }

  /** @throws MyelinError LEASE_LOST */
  beat(): void {
    if (this.#lease?.heartbeat(monotonicNs(), unixS()) === true) return;
    const holder = this.#closed ? undefined : Lease.holder(this.segment, monotonicNs());
    throw new MyelinError('LEASE_LOST', { holder: holder?.name ?? 'nobody commands it now' });
  }

  /** Publishes rows, row 0 due now. Returns the chunk's number. @throws MyelinError LEASE_LOST, INVALID_ARGUMENT */
  publish(rows: readonly (readonly number[])[], stepPeriodS: number): number {
    const { dof } = this;
    const wrong = rows.find((row) => row.length !== dof);
    if (wrong !== undefined || !(stepPeriodS >= 0.001 && stepPeriodS <= 1)) {
      throw new MyelinError('INVALID_ARGUMENT', {
        name: wrong === undefined ? 'The time between rows' : 'A row',
        value: wrong === undefined ? `${stepPeriodS} s` : `${wrong.length} numbers`,
        allowed: wrong === undefined ? '0.001 to 1 s' : `${dof} numbers, the gripper last`,
      });
    }
    this.beat();
    const nowNs = monotonicNs();
    const actions = Float64Array.from(rows.flat());
    const chunk = { actions, rows: rows.length, dof, stepPeriodS, timestep: 0, observedNs: nowNs };
    return (this.#writer ?? new ChunkWriter(this.segment)).publish(chunk, nowNs);
  }

  /** Brings the arm to rest and gives the lease back. */
  release(): void {
    if (this.held) this.#options.calm();
    this.#drop();
  }

  close(): void {
    if (this.#closed) return;
    this.release();
    this.#closed = true;
    this.#segment.close();
  }

  #keep(): void {
    const idleNs = (this.#options.idleS ?? 10) * 1e9;
    if (monotonicNs() - this.#usedNs > idleNs) this.release();
    else if (this.#lease?.heartbeat(monotonicNs(), unixS()) !== true) this.#drop();
  }

  #drop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#lease?.release();
    this.#lease = undefined;
    this.#writer = undefined;
  }
}

/** What the worker gave this project. @throws MyelinError ARM_REFUSED when it gave it none */
function givenSegment(): string {
  const { MYELIN_SEGMENT: given, MYELIN_PROJECT: project, MYELIN_ARM_REFUSED: reason } = process.env;
  if (given !== undefined || project === undefined) return given ?? DEFAULT_ARM_SEGMENT;
  throw new MyelinError('ARM_REFUSED', { project, reason: reason ?? 'it was given none' });
}

const silent = (what: string): MyelinError =>
  new MyelinError('ARM_HOLDS', {
    reason: `its control process is gone: ${what}`,
    advice: 'Start it again: myelin control',
  });
