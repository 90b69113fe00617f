import type { ArmDescription } from '../arms/description.ts';
import {
  type ArmCommand,
  type ArmDriver,
  type ArmState,
  createArmCommand,
  createArmState,
} from '../arms/driver.ts';
import type { CanBusStats } from '../buses/can.ts';
import { ControlState, type ControlStateCode, ErrorBit, transition } from '../core/control-state.ts';
import { CollisionModel } from '../core/kinematics/collision.ts';
import { GRAVITY_DOWN, gravityTorque } from '../core/kinematics/gravity.ts';
import type { KinematicModel } from '../core/kinematics/model.ts';
import { Envelope } from '../core/motion/envelope.ts';
import { JerkLimiter, MotionBit } from '../core/motion/jerk-limiter.ts';
import type { ArmSegment } from '../segment/arm-segment.ts';
import { ChunkIntake, Intake } from './chunk-intake.ts';
import type { ControllerConfig } from './controller-config.ts';
import { ErrorLamps } from './error-lamps.ts';
import { EventCode, type EventSink, FaultKind, type FaultKindName } from './event-codes.ts';
import { FAULT_ERRORS, FaultMonitor } from './fault-monitor.ts';
import { HeartbeatWatch } from './heartbeat-watch.ts';
import { HoldReason, LimitBit } from './limit-bits.ts';
import { RequestDesk } from './request-desk.ts';
import { ResetMotion, ResetPhase } from './reset-motion.ts';
import { StatePublisher } from './state-publisher.ts';
import { Stiffness } from './stiffness.ts';
import { TraceColumn } from './trace-row.ts';

export type { ControllerConfig } from './controller-config.ts';

export interface ControllerParts {
  readonly description: ArmDescription;
  readonly kinematics: KinematicModel;
  readonly segment: ArmSegment;
  /** Connected: {@link ArmDriver.connect} has been called. */
  readonly driver: ArmDriver;
  readonly config: ControllerConfig;
  readonly events: EventSink;
  /** Counters of the driver's bus, for the segment and the trace. */
  readonly busStats?: Readonly<CanBusStats> | undefined;
}

/** Feedback older than this holds the arm until it is back; the feedback timeout stops it. */
const GAP_NS = 20e6;
/** Parts of the arm keep this far from each other, m. */
const SELF_MARGIN_M = 0.003;
/** Lamps for what passes by itself stay on for this long, so that somebody sees them. */
const LAMP_NS = 1e9;
/** A stop that has not come to rest by then is damped as it is. */
const STOP_MOST_NS = 2e9;
const DAMP_LEAST_NS = 1e9;
const DAMP_MOST_NS = 5e9;
/** Measured motion below this is rest: rad/s, and m/s for the gripper. */
const REST_RAD_S = 0.05;
const REST_M_S = 0.01;
/** A reset that the envelope holds up for this long is given up. */
const RESET_PATIENCE_NS = 1e9;
const LIMIT_EVENT_NS = 0.1e9;

const FAULT_BITS = Object.fromEntries(
  (Object.keys(FaultKind) as FaultKindName[]).map((name) => [FaultKind[name], FAULT_ERRORS[name]]),
) as Readonly<Record<number, number>>;

// Places in the times, ns. In an array, because numbers of this size in fields are boxed anew at every change.
const FRESH = 0;
const STATE_SINCE = 1;
const RESET_MOVED = 2;
const LIMITS_SEEN = 3;
const TIMES = 4;

/**
 * The safety core: everything that decides what the motors are told. One {@link tick} a period:
 *
 * - read: motor feedback, and whether it can be trusted;
 * - decide: requests, faults, timers and the state machine say whether to follow a plan, come to rest, or let go;
 * - limit: the jerk limiter turns that into the next step, and the envelope may turn the step into braking;
 * - write: the command goes to the motors and the whole tick into the segment and the trace row.
 *
 * It knows no clock and does no I/O but through the driver and the segment. A tick allocates nothing.
 */
export class Controller {
  readonly #description: ArmDescription;
  readonly #kinematics: KinematicModel;
  readonly #driver: ArmDriver;
  readonly #events: EventSink;
  readonly #commandTimeoutNs: number;
  readonly #watchdogTimeoutNs: number;
  readonly #feedbackTimeoutNs: number;
  readonly #busStats: Readonly<CanBusStats> | undefined;

  readonly #measured: ArmState;
  readonly #command: ArmCommand;
  readonly #limiter: JerkLimiter;
  readonly #envelope: Envelope;
  readonly #reset: ResetMotion;
  readonly #intake: ChunkIntake;
  readonly #heartbeat: HeartbeatWatch;
  readonly #faults: FaultMonitor;
  readonly #lamps: ErrorLamps;
  readonly #desk: RequestDesk;
  readonly #stiffness: Stiffness;
  readonly #publisher: StatePublisher;
  readonly #target: Float64Array;
  readonly #targetVelocity: Float64Array;
  readonly #gravity: Float64Array;
  readonly #still: Float64Array;
  readonly #times = new Float64Array(TIMES);

  #state: ControlStateCode = ControlState.IDLE;
  /** False until every motor has answered once and the commanded pose is where the arm was found. */
  #found = false;
  #holdReason: number = HoldReason.NONE;
  /** The next plan starts from where the arm is, not from where it was told to be. */
  #resync = true;
  #refusedLast = false;
  #limitsHit = 0;
  #limitsTold = 0;
  #warned = 0;
  #finished = false;

  constructor(parts: ControllerParts) {
    const { description, kinematics, segment, driver, config, events } = parts;
    const { dof, armDof, limits, home } = description;
    const periodNs = 1e9 / config.controlFrequencyHz;
    this.#description = description;
    this.#kinematics = kinematics;
    this.#driver = driver;
    this.#events = events;
    this.#busStats = parts.busStats;
    this.#commandTimeoutNs = config.commandTimeoutS * 1e9;
    this.#watchdogTimeoutNs = config.watchdogTimeoutS * 1e9;
    this.#feedbackTimeoutNs = config.feedbackTimeoutS * 1e9;

    this.#measured = createArmState(dof);
    this.#command = createArmCommand(dof);
    this.#target = new Float64Array(dof);
    this.#targetVelocity = new Float64Array(dof);
    this.#gravity = new Float64Array(dof);
    this.#still = new Float64Array(dof);
    this.#limiter = new JerkLimiter(limits, periodNs / 1e9);
    this.#envelope = new Envelope(new CollisionModel(kinematics, home), dof, {
      tablePlaneZ: config.tablePlaneZ,
      selfMarginM: SELF_MARGIN_M,
    });
    this.#reset = new ResetMotion(limits, armDof, home, this.#envelope);
    this.#intake = new ChunkIntake(segment, limits, events);
    this.#heartbeat = new HeartbeatWatch(segment);
    this.#faults = new FaultMonitor(description, { periodNs, feedbackTimeoutNs: this.#feedbackTimeoutNs });
    this.#lamps = new ErrorLamps(events);
    this.#desk = new RequestDesk(segment);
    this.#stiffness = new Stiffness(description);
    const { handled, refused } = this.#desk;
    this.#publisher = new StatePublisher(
      segment,
      this.#measured,
      this.#limiter,
      this.#target,
      handled,
      refused,
      parts.busStats,
    );
    this.#publisher.publishLimits(description, config, driver.busLoad(config.controlFrequencyHz));
  }

  /** What happened in the last tick, in the order of `traceColumns(dof)`; always the same array. */
  get traceRow(): Float64Array {
    return this.#publisher.traceRow;
  }

  /** True once the arm is damped and at rest: the process may end. */
  get finished(): boolean {
    return this.#finished;
  }

  /** One period: read, decide, limit, write. Times are monotonic ns and Unix s. */
  tick(nowNs: number, unixS: number): void {
    const row = this.traceRow;
    row[TraceColumn.timeNs] = nowNs;
    row[TraceColumn.unixS] = unixS;
    row[TraceColumn.tick]! += 1;
    this.#limitsHit = 0;
    this.#read(nowNs);
    const follow = this.#decide(nowNs);
    this.#limit(nowNs, follow);
    this.#write(nowNs);
  }

  /** Nobody watches over the loop any more: the arm comes to rest and is damped. May be called again. */
  guardianLost(nowNs: number): void {
    if ((this.#lamps.bits & ErrorBit.GUARDIAN) === 0) this.#events.push(nowNs, EventCode.GUARDIAN_LOST);
    this.#stop(nowNs, FaultKind.GUARDIAN);
  }

  // -- read ------------------------------------------------------------------------------------------------------

  #read(nowNs: number): void {
    const { dof } = this.#description;
    const measured = this.#measured;
    this.#driver.read(nowNs, measured);
    let oldestNs = 0;
    let faults = 0;
    for (let i = 0; i < dof; i++) {
      const ageNs = measured.feedbackAgeNs[i]!;
      if (!(ageNs <= oldestNs)) oldestNs = ageNs;
      faults |= measured.fault[i]!;
    }
    this.traceRow[TraceColumn.feedbackAgeMaxNs] = oldestNs;
    this.traceRow[TraceColumn.motorFaults] = faults;
    if (this.#found) return;
    // Until the arm is found it is limp, and what it is told to be is where it seems to be.
    this.#limiter.reset(measured.position);
    this.#target.set(measured.position);
    this.#found = oldestNs <= GAP_NS;
    if (this.#found) {
      this.#envelope.reset(measured.position);
      this.#stiffness.start(nowNs);
    }
    if (this.#times[STATE_SINCE] === 0) this.#times[STATE_SINCE] = nowNs;
  }

  get #feedbackGap(): boolean {
    return !(this.traceRow[TraceColumn.feedbackAgeMaxNs]! <= GAP_NS);
  }

  // -- decide ----------------------------------------------------------------------------------------------------

  /** Returns true when the arm is to follow `#target`, false when it is to come to rest. */
  #decide(nowNs: number): boolean {
    this.#lamps.expire(nowNs);
    this.#takeRequests(nowNs);
    this.#watchFaults(nowNs);
    const silentNs = this.#heartbeat.silentNs(nowNs);
    this.#intake.poll(nowNs);
    switch (this.#state) {
      case ControlState.RUNNING:
        if (silentNs >= this.#watchdogTimeoutNs) {
          this.#lamps.raise(ErrorBit.TIMEOUT | ErrorBit.WATCHDOG, nowNs, Number.POSITIVE_INFINITY);
          this.#go(nowNs, 'watchdog');
          this.#hold(nowNs, HoldReason.WATCHDOG);
          return false;
        }
        return this.#decideRunning(nowNs);
      case ControlState.RESETTING:
        return this.#decideResetting(nowNs);
      case ControlState.EMERGENCY_STOP:
        if (this.#limiter.atRest || nowNs - this.#times[STATE_SINCE]! >= STOP_MOST_NS)
          this.#go(nowNs, 'atRest');
        return false;
      case ControlState.DAMPING:
        this.#watchDamping(nowNs);
        return false;
      default:
        return false;
    }
  }

  #takeRequests(nowNs: number): void {
    const event = this.#desk.take(this.#state);
    this.traceRow[TraceColumn.requests] = this.#desk.taken;
    if (this.#desk.refusedNow !== 0) {
      this.#events.push(nowNs, EventCode.REQUEST_REFUSED, this.#desk.refusedNow, this.#state);
    }
    switch (event) {
      case undefined:
        return;
      case 'start':
        this.#lamps.clear(ErrorBit.TIMEOUT | ErrorBit.WATCHDOG | ErrorBit.SAFETY | ErrorBit.COLLISION, nowNs);
        this.#intake.stop();
        this.#resync = true;
        this.#refusedLast = false;
        this.#heartbeat.restart(nowNs);
        this.#times[FRESH] = nowNs;
        this.#hold(nowNs, HoldReason.NONE);
        break;
      case 'pause':
        this.#hold(nowNs, HoldReason.PAUSED);
        break;
      case 'reset':
        this.#reset.cancel();
        this.#times[RESET_MOVED] = nowNs;
        this.#hold(nowNs, HoldReason.NONE);
        break;
      case 'stop':
        this.#events.push(nowNs, EventCode.STOPPING, 1);
    }
    this.#go(nowNs, event);
  }

  /** Anything found wrong stops the arm; without feedback, or with a dead bus, there is no coming to rest first. */
  #watchFaults(nowNs: number): void {
    if (this.#state === ControlState.DAMPING || !this.#found) {
      if (!this.#found && nowNs - this.#times[STATE_SINCE]! > this.#feedbackTimeoutNs) {
        this.#stop(nowNs, FaultKind.FEEDBACK_LOST);
      }
      return;
    }
    const stiff = this.#stiffness.share(nowNs) > 0;
    const kind = this.#faults.check(this.#measured, this.#limiter.position, stiff);
    if (kind !== FaultKind.NONE) this.#stop(nowNs, kind);
    else if (this.#busStats?.busOff === true) this.#stop(nowNs, FaultKind.BUS);
    const { warnings } = this.#faults;
    if (warnings !== 0) {
      if ((warnings & ~this.#warned) !== 0) {
        this.#events.push(nowNs, EventCode.WARM, 0, this.#faults.joint, this.#faults.found[0]!);
      }
      this.#lamps.raise(warnings, nowNs, LAMP_NS);
    }
    this.#warned = warnings;
    if (this.#feedbackGap) this.#lamps.raise(ErrorBit.COMMUNICATION, nowNs, LAMP_NS);
  }

  #stop(nowNs: number, kind: number): void {
    const helpless = kind === FaultKind.FEEDBACK_LOST || kind === FaultKind.BUS;
    const stopping = this.#state === ControlState.EMERGENCY_STOP || this.#state === ControlState.DAMPING;
    this.#lamps.raise(FAULT_BITS[kind] ?? 0, nowNs, Number.POSITIVE_INFINITY);
    if (!stopping) {
      this.#events.push(nowNs, EventCode.FAULT, kind, this.#faults.joint, this.#faults.found[0]!);
      this.#events.push(nowNs, EventCode.STOPPING, helpless ? 2 : 1);
      this.#go(nowNs, 'fault');
    }
    if (helpless && this.#state === ControlState.EMERGENCY_STOP) this.#go(nowNs, 'atRest');
  }

  #decideRunning(nowNs: number): boolean {
    const { player } = this.#intake;
    const ready = this.#stiffness.share(nowNs) >= 1;
    if (this.#feedbackGap || !ready) {
      this.#hold(nowNs, ready ? HoldReason.NO_FEEDBACK : HoldReason.NO_FRESH_ACTION);
      this.#resync = true;
      if (!ready) this.#times[FRESH] = nowNs;
      return false;
    }
    if (player.playing) player.sample(nowNs, this.#target, this.#targetVelocity);
    const fromWhere = this.#resync ? this.#measured.position : this.#target;
    const howFast = this.#resync ? this.#still : this.#targetVelocity;
    const intake = this.#intake.take(nowNs, fromWhere, howFast, this.#resync);
    if (intake === Intake.REFUSED) {
      this.#refusedLast = true;
      this.#lamps.raise(ErrorBit.SAFETY, nowNs, LAMP_NS);
    } else if (intake === Intake.TAKEN) {
      this.#refusedLast = false;
      this.#resync = false;
    }

    const runOutNs = player.runOutNs(nowNs);
    if (player.playing) this.#times[FRESH] = Math.max(this.#times[FRESH]!, nowNs - Math.max(runOutNs, 0));
    if (nowNs - this.#times[FRESH]! >= this.#commandTimeoutNs) {
      this.#lamps.raise(ErrorBit.TIMEOUT, nowNs, Number.POSITIVE_INFINITY);
      this.#hold(nowNs, this.#refusedLast ? HoldReason.CHUNK_REFUSED : HoldReason.NO_FRESH_ACTION);
      player.stop();
      this.#resync = true;
      return false;
    }
    if (!player.playing) {
      this.#hold(nowNs, this.#refusedLast ? HoldReason.CHUNK_REFUSED : HoldReason.NO_FRESH_ACTION);
      return false;
    }
    this.#lamps.clear(ErrorBit.TIMEOUT, nowNs);
    this.#moveOn(nowNs);
    player.sample(nowNs, this.#target, this.#targetVelocity);
    return true;
  }

  #decideResetting(nowNs: number): boolean {
    const reset = this.#reset;
    if (this.#feedbackGap || this.#stiffness.share(nowNs) < 1) {
      // The way home is looked for anew from wherever the arm comes to rest.
      reset.cancel();
      this.#hold(nowNs, HoldReason.NO_FEEDBACK);
      return false;
    }
    this.#moveOn(nowNs);
    if (reset.phase === ResetPhase.IDLE) {
      if (!this.#limiter.atRest) return false;
      reset.begin(this.#limiter.position);
    }
    const phase = reset.step(nowNs, this.#target, this.#targetVelocity);
    const stuck = nowNs - this.#times[RESET_MOVED]! >= RESET_PATIENCE_NS;
    if (phase === ResetPhase.BLOCKED || (phase === ResetPhase.DONE && stuck)) {
      this.#events.push(nowNs, EventCode.RESET_BLOCKED);
      this.#lamps.raise(ErrorBit.SAFETY, nowNs, Number.POSITIVE_INFINITY);
      this.#go(nowNs, 'resetDone');
      return false;
    }
    if (phase === ResetPhase.DONE && this.#limiter.atRest && this.#onTarget()) {
      this.#go(nowNs, 'resetDone');
      return false;
    }
    return phase !== ResetPhase.SEARCHING;
  }

  #onTarget(): boolean {
    const { velocityMax } = this.#description.limits;
    for (let i = 0; i < this.#target.length; i++) {
      if (Math.abs(this.#target[i]! - this.#limiter.position[i]!) > 1e-3 * velocityMax[i]!) return false;
    }
    return true;
  }

  #watchDamping(nowNs: number): void {
    const dampedNs = nowNs - this.#times[STATE_SINCE]!;
    if (dampedNs < DAMP_LEAST_NS || this.#finished) return;
    if (dampedNs < DAMP_MOST_NS && (this.#feedbackGap || this.#moving())) return;
    this.#finished = true;
    this.#events.push(nowNs, EventCode.FINISHED, 0, dampedNs / 1e9);
  }

  #moving(): boolean {
    const { armDof, dof } = this.#description;
    for (let i = 0; i < dof; i++) {
      if (Math.abs(this.#measured.velocity[i]!) > (i < armDof ? REST_RAD_S : REST_M_S)) return true;
    }
    return false;
  }

  #go(nowNs: number, event: Parameters<typeof transition>[1]): void {
    const next = transition(this.#state, event);
    if (next === undefined || next === this.#state) return;
    this.#events.push(nowNs, EventCode.STATE, next, this.#state);
    this.#state = next;
    this.#times[STATE_SINCE] = nowNs;
  }

  #hold(nowNs: number, reason: number): void {
    if (reason === this.#holdReason) return;
    this.#holdReason = reason;
    this.#events.push(nowNs, EventCode.HOLD, reason);
  }

  /** Ends a hold, but for one that the envelope will judge anew in this tick. */
  #moveOn(nowNs: number): void {
    if (this.#holdReason !== HoldReason.COLLISION) this.#hold(nowNs, HoldReason.NONE);
  }

  // -- limit -----------------------------------------------------------------------------------------------------

  #limit(nowNs: number, follow: boolean): void {
    const limiter = this.#limiter;
    if (!this.#found || this.#state === ControlState.DAMPING) return;
    if (follow) {
      this.#limitGripper();
      const bits = this.#envelope.guide(limiter, this.#target, this.#targetVelocity);
      this.#limitsHit |= bits;
      if ((bits & MotionBit.POSITION) !== 0) this.traceRow[TraceColumn.clampedTicks]! += 1;
      if (this.#envelope.held) {
        this.#limitsHit |= LimitBit.ENVELOPE;
        this.#lamps.raise(ErrorBit.COLLISION, nowNs, LAMP_NS);
        this.#hold(nowNs, HoldReason.COLLISION);
      } else {
        this.#times[RESET_MOVED] = nowNs;
        if (this.#holdReason === HoldReason.COLLISION) this.#hold(nowNs, HoldReason.NONE);
      }
    } else {
      limiter.proposeBrake();
      if (!limiter.atRest) this.#target.set(limiter.next.stop);
    }
    limiter.accept();
  }

  /** A gripper that cannot follow has something in it: its target stays near where it is. */
  #limitGripper(): void {
    const i = this.#description.armDof;
    const margin = this.#stiffness.gripperMargin;
    const measured = this.#measured.position[i]!;
    const ahead = this.#limiter.position[i]! - measured;
    const wanted = this.#target[i]! - measured;
    if (Math.abs(ahead) <= margin || ahead * wanted <= 0 || Math.abs(wanted) <= margin) return;
    this.#target[i] = measured + Math.sign(wanted) * margin;
    this.#targetVelocity[i] = 0;
    this.#limitsHit |= LimitBit.GRIPPER;
  }

  // -- write -----------------------------------------------------------------------------------------------------

  #write(nowNs: number): void {
    const row = this.traceRow;
    const limiter = this.#limiter;
    if (!this.#found || this.#state === ControlState.DAMPING) {
      row[TraceColumn.framesWritten] = this.#driver.damp();
      row[TraceColumn.stiffness] = 0;
    } else {
      const command = this.#command;
      command.position.set(limiter.position);
      command.velocity.set(limiter.velocity);
      gravityTorque(this.#kinematics, this.#measured.position, GRAVITY_DOWN, this.#gravity);
      this.#limitsHit |= this.#stiffness.apply(nowNs, this.#measured, this.#gravity, command);
      row[TraceColumn.framesWritten] = this.#driver.write(command);
      row[TraceColumn.stiffness] = this.#stiffness.share(nowNs);
    }
    this.#tellLimits(nowNs);
    row[TraceColumn.state] = this.#state;
    row[TraceColumn.acknowledgements] = this.#desk.acknowledged;
    row[TraceColumn.errors] = this.#lamps.bits;
    row[TraceColumn.limitsHit] = this.#limitsHit;
    row[TraceColumn.holdReason] = this.#holdReason;
    row[TraceColumn.chunkSequence] = this.#intake.player.playing ? this.#intake.sequence : 0;
    row[TraceColumn.rowIndex] = this.#intake.player.rowAt(nowNs);
    row[TraceColumn.chunksRefused] = this.#intake.refused;
    this.#publisher.publish();
  }

  /** Tells of limits once, not in every tick that they last. */
  #tellLimits(nowNs: number): void {
    const added = this.#limitsHit & ~this.#limitsTold;
    if (added !== 0) this.#events.push(nowNs, EventCode.LIMITS, added);
    if (this.#limitsHit !== 0) this.#times[LIMITS_SEEN] = nowNs;
    this.#limitsTold |= this.#limitsHit;
    if (nowNs - this.#times[LIMITS_SEEN]! > LIMIT_EVENT_NS) this.#limitsTold = 0;
  }
}
