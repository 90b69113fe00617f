import type { ArmDescription } from '../arms/description.ts';
import { type ArmCommand, type ArmDriver, createArmCommand } from '../arms/driver.ts';
import type { CanBusStats } from '../buses/can.ts';
import { ControlState, ErrorBit } from '../core/control-state.ts';
import { CollisionModel } from '../core/kinematics/collision.ts';
import { GRAVITY_DOWN, gravityTorque } from '../core/kinematics/gravity.ts';
import type { KinematicModel } from '../core/kinematics/model.ts';
import { Envelope } from '../core/motion/envelope.ts';
import { JerkLimiter } from '../core/motion/jerk-limiter.ts';
import type { ArmSegment } from '../segment/arm-segment.ts';
import { CalmDown } from './calm-down.ts';
import { ChunkIntake } from './chunk-intake.ts';
import type { ControllerConfig } from './controller-config.ts';
import { ErrorLamps } from './error-lamps.ts';
import { EventCode, type EventSink } from './event-codes.ts';
import { FaultMonitor } from './fault-monitor.ts';
import { FaultResponse } from './fault-response.ts';
import { Feedback } from './feedback.ts';
import { HeartbeatWatch } from './heartbeat-watch.ts';
import { Homing } from './homing.ts';
import { HoldReason, LimitBit } from './limit-bits.ts';
import { LimitReport } from './limit-report.ts';
import { Mode } from './mode.ts';
import { MotionGuard } from './motion-guard.ts';
import { PlanFollower } from './plan-follower.ts';
import { RequestDesk } from './request-desk.ts';
import { ResetMotion } from './reset-motion.ts';
import { StatePublisher } from './state-publisher.ts';
import { Stiffness } from './stiffness.ts';
import { createTarget, type Target } from './target.ts';
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

/** Parts of the arm keep this far from each other, m. */
const SELF_MARGIN_M = 0.003;

/**
 * The safety core: everything that decides what the motors are told. One {@link tick} a period:
 *
 * - read: motor feedback, and whether it can be trusted ({@link Feedback});
 * - decide: requests, faults, timers and the state machine say whether to follow a plan ({@link PlanFollower},
 *   {@link Homing}), come to rest, or let go ({@link FaultResponse}, {@link CalmDown});
 * - limit: the jerk limiter turns that into the next step, and the envelope may turn the step into braking
 *   ({@link MotionGuard});
 * - write: the command goes to the motors and the whole tick into the segment and the trace row.
 *
 * It knows no clock and does no I/O but through the driver and the segment.
 */
export class Controller {
  readonly #kinematics: KinematicModel;
  readonly #driver: ArmDriver;
  readonly #events: EventSink;
  readonly #feedback: Feedback;
  readonly #mode: Mode;
  readonly #lamps: ErrorLamps;
  readonly #desk: RequestDesk;
  readonly #faults: FaultResponse;
  readonly #intake: ChunkIntake;
  readonly #follower: PlanFollower;
  readonly #homing: Homing;
  readonly #calm: CalmDown;
  readonly #target: Target;
  readonly #limiter: JerkLimiter;
  readonly #envelope: Envelope;
  readonly #guard: MotionGuard;
  readonly #limits: LimitReport;
  readonly #stiffness: Stiffness;
  readonly #gravity: Float64Array;
  readonly #command: ArmCommand;
  readonly #publisher: StatePublisher;

  constructor(parts: ControllerParts) {
    const { description, kinematics, segment, driver, config, events, busStats } = parts;
    const { dof, armDof, limits, home } = description;
    const periodNs = 1e9 / config.controlFrequencyHz;
    const feedbackTimeoutNs = config.feedbackTimeoutS * 1e9;
    this.#kinematics = kinematics;
    this.#driver = driver;
    this.#events = events;
    this.#gravity = new Float64Array(dof);
    this.#command = createArmCommand(dof);
    this.#desk = new RequestDesk(segment);
    this.#stiffness = new Stiffness(description);
    this.#limits = new LimitReport(events);
    this.#intake = new ChunkIntake(segment, limits, events);

    // What most parts share: the measured, the wanted and the commanded pose, the state, and the error word.
    const feedback = new Feedback(driver, description);
    const mode = new Mode(events);
    const lamps = new ErrorLamps(events);
    const target = createTarget(dof);
    const limiter = new JerkLimiter(limits, periodNs / 1e9);
    const envelope = new Envelope(new CollisionModel(kinematics, home), dof, {
      tablePlaneZ: config.tablePlaneZ,
      selfMarginM: SELF_MARGIN_M,
    });
    const shared = { feedback, mode, lamps, target, limiter, envelope, events };
    this.#feedback = feedback;
    this.#mode = mode;
    this.#lamps = lamps;
    this.#target = target;
    this.#limiter = limiter;
    this.#envelope = envelope;

    const monitor = new FaultMonitor(description, { periodNs, feedbackTimeoutNs });
    this.#faults = new FaultResponse({ ...shared, monitor, busStats, feedbackTimeoutNs });
    this.#follower = new PlanFollower({
      ...shared,
      intake: this.#intake,
      heartbeat: new HeartbeatWatch(segment),
      commandTimeoutNs: config.commandTimeoutS * 1e9,
      watchdogTimeoutNs: config.watchdogTimeoutS * 1e9,
    });
    const motion = new ResetMotion(limits, armDof, home, envelope);
    this.#homing = new Homing({ ...shared, motion, velocityMax: limits.velocityMax });
    this.#calm = new CalmDown(mode, feedback, limiter, events);
    const gripperMarginM = this.#stiffness.gripperMargin;
    this.#guard = new MotionGuard({ ...shared, gripper: armDof, gripperMarginM });
    const { handled, refused } = this.#desk;
    const { position } = target;
    this.#publisher = new StatePublisher(
      segment,
      feedback.state,
      limiter,
      position,
      handled,
      refused,
      busStats,
    );
    this.#publisher.publishLimits(description, config, driver.busLoad(config.controlFrequencyHz));
  }

  /** What happened in the last tick, in the order of `traceColumns(dof)`; always the same array. */
  get traceRow(): Float64Array {
    return this.#publisher.traceRow;
  }

  /** True once the arm is damped and at rest: the process may end. */
  get finished(): boolean {
    return this.#calm.finished;
  }

  /** One period: read, decide, limit, write. Times are monotonic ns and Unix s. */
  tick(nowNs: number, unixS: number): void {
    const row = this.traceRow;
    row[TraceColumn.timeNs] = nowNs;
    row[TraceColumn.unixS] = unixS;
    row[TraceColumn.tick]! += 1;
    this.#limits.hit = 0;
    this.#read(nowNs);
    const follow = this.#decide(nowNs);
    this.#limit(nowNs, follow);
    this.#write(nowNs);
  }

  /** Nobody watches over the loop any more: the arm comes to rest and is damped. May be called again. */
  guardianLost(nowNs: number): void {
    this.#faults.guardianLost(nowNs);
  }

  #read(nowNs: number): void {
    const wasFound = this.#feedback.found;
    this.#feedback.read(nowNs);
    if (wasFound) return;
    // Until the arm is found it is limp, and what it is told to be is where it seems to be.
    const { position } = this.#feedback.state;
    this.#limiter.reset(position);
    this.#target.position.set(position);
    this.#mode.begin(nowNs);
    if (!this.#feedback.found) return;
    this.#envelope.reset(position);
    this.#stiffness.start(nowNs);
  }

  /** Returns true when the arm is to follow the target, false when it is to come to rest. */
  #decide(nowNs: number): boolean {
    this.#lamps.expire(nowNs);
    this.#takeRequests(nowNs);
    const share = this.#stiffness.share(nowNs);
    this.#faults.watch(nowNs, this.#limiter.position, share > 0);
    this.#follower.listen(nowNs);
    switch (this.#mode.state) {
      case ControlState.RUNNING:
        return this.#follower.decide(nowNs, share >= 1);
      case ControlState.RESETTING:
        return this.#homing.decide(nowNs, share >= 1);
      case ControlState.EMERGENCY_STOP:
        this.#calm.stopping(nowNs);
        return false;
      case ControlState.DAMPING:
        this.#calm.damping(nowNs);
        return false;
      default:
        return false;
    }
  }

  #takeRequests(nowNs: number): void {
    const mode = this.#mode;
    const event = this.#desk.take(mode.state);
    if (this.#desk.refusedNow !== 0) {
      this.#events.push(nowNs, EventCode.REQUEST_REFUSED, this.#desk.refusedNow, mode.state);
    }
    switch (event) {
      case undefined:
        return;
      case 'start':
        this.#lamps.clear(ErrorBit.TIMEOUT | ErrorBit.WATCHDOG | ErrorBit.SAFETY | ErrorBit.COLLISION, nowNs);
        this.#follower.restart(nowNs);
        mode.hold(nowNs, HoldReason.NONE);
        break;
      case 'pause':
        mode.hold(nowNs, HoldReason.PAUSED);
        break;
      case 'reset':
        this.#homing.restart(nowNs);
        mode.hold(nowNs, HoldReason.NONE);
        break;
      case 'stop':
        this.#events.push(nowNs, EventCode.STOPPING, 1);
    }
    mode.go(nowNs, event);
  }

  /** Whether the motors are left limp: there is no pose to be told, or nobody to be told one any more. */
  get #limp(): boolean {
    return !this.#feedback.found || this.#mode.state === ControlState.DAMPING;
  }

  #limit(nowNs: number, follow: boolean): void {
    if (this.#limp) return;
    if (!follow) {
      this.#guard.brake();
      return;
    }
    const bits = this.#guard.follow(nowNs);
    this.#limits.hit |= bits;
    if ((bits & LimitBit.POSITION) !== 0) this.traceRow[TraceColumn.clampedTicks]! += 1;
    if (!this.#guard.held) this.#homing.moved(nowNs);
  }

  #write(nowNs: number): void {
    const row = this.traceRow;
    if (this.#limp) {
      row[TraceColumn.framesWritten] = this.#driver.damp();
      row[TraceColumn.stiffness] = 0;
    } else {
      const command = this.#command;
      const measured = this.#feedback.state;
      command.position.set(this.#limiter.position);
      command.velocity.set(this.#limiter.velocity);
      gravityTorque(this.#kinematics, measured.position, GRAVITY_DOWN, this.#gravity);
      this.#limits.hit |= this.#stiffness.apply(nowNs, measured, this.#gravity, command);
      row[TraceColumn.framesWritten] = this.#driver.write(command);
      row[TraceColumn.stiffness] = this.#stiffness.share(nowNs);
    }
    this.#limits.tell(nowNs);
    row[TraceColumn.feedbackAgeMaxNs] = this.#feedback.oldestNs[0]!;
    row[TraceColumn.motorFaults] = this.#feedback.faults;
    row[TraceColumn.requests] = this.#desk.taken;
    row[TraceColumn.acknowledgements] = this.#desk.acknowledged;
    row[TraceColumn.state] = this.#mode.state;
    row[TraceColumn.errors] = this.#lamps.bits;
    row[TraceColumn.limitsHit] = this.#limits.hit;
    row[TraceColumn.holdReason] = this.#mode.holdReason;
    row[TraceColumn.chunkSequence] = this.#intake.player.playing ? this.#intake.sequence : 0;
    row[TraceColumn.rowIndex] = this.#intake.player.rowAt(nowNs);
    row[TraceColumn.chunksRefused] = this.#intake.refused;
    this.#publisher.publish();
  }
}
