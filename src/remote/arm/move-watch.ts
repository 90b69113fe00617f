import { HoldReason } from '../../control/limit-bits.ts';
import { MyelinError } from '../../core/errors.ts';
import { monotonicNs } from '../../platform/clock.ts';
import type { ArmAccess } from './arm-access.ts';
import { type ArmState, isMoving } from './arm-state.ts';

export interface Move {
  /** Number of its chunk. */
  readonly chunk: number;
  /** From its first row to its last. */
  readonly seconds: number;
  /** Where it ends; without one it is over when the arm is at rest. */
  readonly target?: readonly number[] | undefined;
}

/** So long after a chunk was published the control process must have taken it up. */
const TAKEN_S = 0.5;
/** So long after its last row the arm must have arrived: the limiter follows a little behind. */
const ARRIVED_S = 2;
const SILENT_NS = 1e9;
const TOLERANCE = 1e-4;

/** The state of a RUNNING arm. @throws MyelinError ARM_STOPPED, ARM_HOLDS */
export function runningState(access: Pick<ArmAccess, 'read'>): ArmState {
  const state = access.read();
  if (state.state === 'EMERGENCY_STOP' || state.state === 'DAMPING') {
    throw new MyelinError('ARM_STOPPED', { state: state.state });
  }
  if (state.state !== 'RUNNING') throw holds(`it is ${state.state}`, 'Start it first: arm.start()');
  return state;
}

/** Looks at what the arm makes of a chunk. */
export class MoveWatch {
  readonly #access: ArmAccess;
  readonly #move: Move;
  readonly #startedNs = monotonicNs();
  #taken = false;
  #gripped = false;

  constructor(access: ArmAccess, move: Move) {
    this.#access = access;
    this.#move = move;
  }

  /**
   * Whether the arm has gone the whole way and is at rest.
   * @throws MyelinError MOVE_INTERRUPTED, LEASE_LOST, ARM_HOLDS, ARM_STOPPED
   */
  over(): boolean {
    const { chunk, seconds } = this.#move;
    const nowNs = monotonicNs();
    const elapsedS = (nowNs - this.#startedNs) / 1e9;
    const { fields } = this.#access.segment;
    if (!this.#access.held) this.#access.beat();
    const state = runningState(this.#access);
    if (nowNs - state.timeNs > SILENT_NS) {
      throw holds('its control process is gone', 'Start it again: myelin control');
    }
    if (fields.chunkSequence !== chunk) throw new MyelinError('MOVE_INTERRUPTED', {});
    this.#taken ||= state.chunk === chunk;
    this.#gripped ||= state.limits.includes('GRIPPER');
    if (!this.#taken) {
      if (elapsedS <= TAKEN_S) return false;
      throw holds(`it did not take the chunk up (${state.hold ?? 'no reason given'})`, LOOK);
    }
    const isPast = elapsedS >= seconds;
    if (isPast && !isMoving(state) && this.#arrived(state)) return true;
    if (state.holdReason === HoldReason.COLLISION) {
      throw holds('the way leads into the table or the arm itself', 'Go another way, in several moves.');
    }
    const { NONE, NO_FEEDBACK, NO_FRESH_ACTION } = HoldReason;
    const isEnd = isPast && state.holdReason === NO_FRESH_ACTION;
    if (state.holdReason !== NONE && state.holdReason !== NO_FEEDBACK && !isEnd) {
      throw holds(state.hold ?? '', LOOK);
    }
    if (elapsedS > seconds + ARRIVED_S) {
      const pose = state.commandedPosition.map((value) => value.toFixed(3)).join(', ');
      throw holds(`it did not arrive, it is at (${pose})`, LOOK);
    }
    return false;
  }

  #arrived({ commandedPosition }: ArmState): boolean {
    const { target } = this.#move;
    const { positionMin, positionMax, jerkMax } = this.#access.limits;
    const periodS = 1 / this.#access.segment.fields.controlFrequencyHz;
    return commandedPosition.every((value, i) => {
      if (target === undefined || (this.#gripped && i === commandedPosition.length - 1)) return true;
      // At the edge of its range a joint stops a little earlier.
      const span = (positionMax[i] ?? 0) - (positionMin[i] ?? 0);
      const margin = 2 * (1e-6 * span + (jerkMax[i] ?? 0) * periodS ** 3);
      return Math.abs(value - (target[i] ?? Number.NaN)) <= TOLERANCE + margin;
    });
  }
}

const LOOK = 'Look at the log of the control process.';

const holds = (reason: string, advice: string): MyelinError =>
  new MyelinError('ARM_HOLDS', { reason, advice });
