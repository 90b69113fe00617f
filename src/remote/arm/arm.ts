import { setTimeout as pause } from 'node:timers/promises';
import { MyelinError } from '../../core/errors.ts';
import {
  brakeRows,
  LONGEST_MOVE_S,
  minimumJerkRows,
  type PlannedRows,
} from '../../core/motion/planned-rows.ts';
import { monotonicNs } from '../../platform/clock.ts';
import { ArmAccess } from './arm-access.ts';
import { type ArmLimits, type ArmState, isMoving } from './arm-state.ts';
import { ArmCamera } from './camera.ts';
import { MoveWatch, runningState } from './move-watch.ts';

export interface ConnectOptions {
  /** The segment. Default: the one that Myelin gives this project, else `arx5_control`. */
  readonly name?: string;
  /** How long to wait for the control process, s. Default 5. */
  readonly waitS?: number;
  /** The lease is given back when nothing was asked of the arm for so long, s. Default 10. */
  readonly idleS?: number;
}

const POLL_MS = 5;
const REST_S = 2;
const TOLERANCE = 1e-4;

/**
 * An arm that `myelin control` owns. Everything is limited by the control process, so nothing sent here can drive the
 * arm past its limits; when this process ends, hangs or is killed, the arm holds within the command timeout (0.2 s).
 * Joints in rad, the gripper in m. Commands take the lease by themselves, and fail when another has it.
 *
 * @example
 * const arm = await connect();
 * await arm.start();
 * await arm.moveTo([0.5, 1.7, 1.6, -1.5, 0, 0], 2);
 * await arm.gripper(0.02);
 * arm.close();
 */
export class Arm implements Disposable {
  readonly #access: ArmAccess;
  readonly #cameras = new Map<string, ArmCamera>();

  /** @throws MyelinError SEGMENT_MISSING, SEGMENT_VERSION, ARM_REFUSED */
  constructor({ name, idleS }: Omit<ConnectOptions, 'waitS'> = {}) {
    this.#access = new ArmAccess({
      ...(name === undefined ? {} : { name }),
      ...(idleS === undefined ? {} : { idleS }),
      calm: () => void this.#calm({ onlyBusy: true }),
    });
  }

  /** Joints and gripper. */
  get dof(): number {
    return this.#access.dof;
  }

  get limits(): ArmLimits {
    return this.#access.limits;
  }

  /** The state of one whole control tick. */
  get state(): ArmState {
    return this.#access.read();
  }

  /** @throws MyelinError SEGMENT_MISSING when there is no such camera */
  camera(name: string): ArmCamera {
    const camera = this.#cameras.get(name) ?? ArmCamera.open(name);
    this.#cameras.set(name, camera);
    return camera;
  }

  /** Asks for RUNNING and waits for it. Takes the lease if nobody has it. @throws MyelinError ARM_HOLDS */
  async start(timeoutS = 3): Promise<void> {
    if (this.#access.free) this.#access.command();
    await this.#ask('START', 'RUNNING', timeoutS);
  }

  /** Asks the arm to hold where it is, and waits for it. Only `start` lets it move again. */
  pause(timeoutS = 3): Promise<void> {
    return this.#ask('PAUSE', 'PAUSED', timeoutS);
  }

  /** Asks the arm to move home, and waits until it is there. Only `start` lets it move again. */
  reset(timeoutS = 60): Promise<void> {
    return this.#ask('RESET', 'IDLE', timeoutS);
  }

  /** Stops the arm for good: it comes to rest, goes limp, and the control process ends. */
  stop(): void {
    this.#access.request('STOP');
  }

  /**
   * Moves smoothly to `joints` (one more number is the gripper's opening) and resolves once there, with how long the
   * move was planned to take, s.
   * @param durationS at least; longer when the limits need it. Default: as quick as they allow.
   * @throws MyelinError ARM_HOLDS when the arm is not RUNNING, is paused or held up; ARM_STOPPED, LEASE_HELD,
   *   LEASE_LOST, MOVE_INTERRUPTED, INVALID_ARGUMENT
   */
  async moveTo(joints: Iterable<number>, durationS?: number): Promise<number> {
    const state = await this.#atRest();
    const target = this.#target([...joints], state);
    const planned = this.#plan(state, target, durationS);
    const seconds = (planned.rows.length - 1) * planned.periodS;
    await this.#watch(this.#access.publish(planned.rows, planned.periodS), seconds, target);
    return seconds;
  }

  /** Opens or closes the gripper, m. Resolves with the opening it came to: what stands in its way is held. */
  async gripper(openingM: number, durationS?: number): Promise<number> {
    const { commandedPosition } = await this.#atRest();
    await this.moveTo([...commandedPosition.slice(0, -1), openingM], durationS);
    return this.state.position.at(-1) ?? Number.NaN;
  }

  /**
   * Lets the arm go along `rows` (of all joints, or without the gripper), `stepPeriodS` apart, from now on, in place
   * of what it did. Returns the chunk's number at once; `wait` waits for its end.
   */
  sendChunk(rows: Iterable<Iterable<number>>, stepPeriodS: number): number {
    this.#access.command();
    const { commandedPosition } = runningState(this.#access);
    const keep = commandedPosition.slice(-1);
    const whole = Array.from(rows, (row) => {
      const numbers = [...row];
      return numbers.length === this.dof - 1 ? [...numbers, ...keep] : numbers;
    });
    return this.#access.publish(whole, stepPeriodS);
  }

  /** Resolves when the chunk of that number, which takes `seconds`, is over. @throws MyelinError as `moveTo` does */
  wait(chunk: number, seconds: number): Promise<void> {
    return this.#watch(chunk, seconds);
  }

  /** Lets the arm come to rest where it is. Does nothing when this process does not move it. */
  async hold(): Promise<void> {
    if (!this.#access.held || !this.#calm()) return;
    const deadlineNs = monotonicNs() + REST_S * 1e9;
    while (monotonicNs() < deadlineNs) {
      const { state } = this;
      if (state.state !== 'RUNNING' || !isMoving(state)) return;
      await pause(POLL_MS);
    }
    const advice = 'Look at the log of the control process.';
    throw new MyelinError('ARM_HOLDS', { reason: 'it did not come to rest', advice });
  }

  /** Becomes the commander. In a project everyone sees it as `project NAME`. @throws MyelinError LEASE_HELD */
  takeLease(name?: string): void {
    this.#access.command(name);
  }

  /** Lets the arm come to rest and gives the lease back. */
  release(): void {
    this.#access.release();
  }

  /** Releases, and lets go of the arm. Idempotent. */
  close(): void {
    for (const camera of this.#cameras.values()) camera.close();
    this.#cameras.clear();
    this.#access.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #atRest(): Promise<ArmState> {
    this.#access.command();
    const state = runningState(this.#access);
    if (!isMoving(state)) return state;
    await this.hold();
    return runningState(this.#access);
  }

  #target(joints: readonly number[], { commandedPosition }: ArmState): number[] {
    const target = joints.length === this.dof - 1 ? [...joints, ...commandedPosition.slice(-1)] : [...joints];
    const { positionMin, positionMax } = this.limits;
    const wrong = (name: string, value: string, allowed: string) =>
      new MyelinError('INVALID_ARGUMENT', { name, value, allowed });
    if (target.length !== this.dof) {
      throw wrong('The pose', `${joints.length} numbers`, `${this.dof - 1} joints (and the gripper)`);
    }
    for (const [i, value] of target.entries()) {
      const [low, high] = [positionMin[i] ?? Number.NaN, positionMax[i] ?? Number.NaN];
      // A joint that was found outside of its range may stay where it is.
      const stays = Math.abs(value - (commandedPosition[i] ?? Number.NaN)) <= TOLERANCE;
      if ((value >= low && value <= high) || stays) continue;
      const name = i === this.dof - 1 ? 'The gripper' : `Joint ${i + 1}`;
      throw wrong(name, String(value), `from ${low} to ${high}`);
    }
    return target;
  }

  #plan({ commandedPosition }: ArmState, target: readonly number[], durationS?: number): PlannedRows {
    try {
      return minimumJerkRows(commandedPosition, target, this.limits, durationS);
    } catch (cause) {
      const parameters = {
        name: 'The duration',
        value: `${durationS} s`,
        allowed: `at most ${LONGEST_MOVE_S} s`,
      };
      throw new MyelinError('INVALID_ARGUMENT', parameters, { cause });
    }
  }

  async #watch(chunk: number, seconds: number, target?: readonly number[]): Promise<void> {
    const watch = new MoveWatch(this.#access, { chunk, seconds, target });
    try {
      do await pause(POLL_MS);
      while (!watch.over());
    } catch (thrown) {
      // What took its place is to go on; after anything else nothing is to go on by itself later.
      const replaced = thrown instanceof MyelinError && thrown.code === 'MOVE_INTERRUPTED';
      if (!replaced && this.#access.held) this.#calm();
      throw thrown;
    }
  }

  /** Publishes what brings a RUNNING arm to rest. False when there is nothing to calm. */
  #calm({ onlyBusy = false } = {}): boolean {
    try {
      const { state } = this;
      const { commandedPosition, commandedVelocity } = state;
      const isBusy = state.chunk !== 0 || isMoving(state);
      if (state.state !== 'RUNNING' || (onlyBusy && !isBusy)) return false;
      const { rows, periodS } = brakeRows(commandedPosition, commandedVelocity, this.limits);
      this.#access.publish(rows, periodS);
      return true;
    } catch (thrown) {
      if (thrown instanceof MyelinError) return false; // It is gone or somebody else's, and holds without us.
      throw thrown;
    }
  }

  async #ask(request: 'START' | 'PAUSE' | 'RESET', wanted: string, timeoutS: number): Promise<void> {
    const index = ['START', 'PAUSE', 'RESET'].indexOf(request);
    const counts = () => {
      const { requestsHandled, requestsRefused } = this.#access.segment.fields;
      return { handled: requestsHandled[index], refused: requestsRefused[index] };
    };
    const before = counts();
    this.#access.request(request);
    const deadlineNs = monotonicNs() + timeoutS * 1e9;
    for (;;) {
      const { state } = this.state;
      const { handled, refused } = counts();
      if (state === wanted && (request !== 'RESET' || handled !== before.handled)) return;
      const isRefused = refused !== before.refused && state !== wanted;
      if (isRefused || monotonicNs() > deadlineNs) {
        const reason = isRefused
          ? `${request} was refused, it is ${state}`
          : `it is ${state}, not ${wanted}, ${timeoutS} s after ${request}`;
        throw new MyelinError('ARM_HOLDS', { reason, advice: 'Look at the log of the control process.' });
      }
      await pause(POLL_MS);
    }
  }
}

/**
 * The arm, waiting for its control process.
 * @throws MyelinError SEGMENT_MISSING, SEGMENT_VERSION, ARM_REFUSED
 */
export async function connect({ waitS = 5, ...options }: ConnectOptions = {}): Promise<Arm> {
  const deadlineNs = monotonicNs() + waitS * 1e9;
  for (;;) {
    try {
      return new Arm(options);
    } catch (thrown) {
      const retry = thrown instanceof MyelinError && thrown.code === 'SEGMENT_MISSING';
      if (!retry || monotonicNs() > deadlineNs) throw thrown;
      await pause(50);
    }
  }
}
