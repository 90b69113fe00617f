import { holdText } from '../../control/event-text.ts';
import { HoldReason, LimitBit } from '../../control/limit-bits.ts';
import { bitNames, type ControlStateName, ErrorBit, stateName } from '../../core/control-state.ts';
import type { MotionLimits } from '../../core/motion/jerk-limiter.ts';
import type { ArmSegment, ArmSnapshot } from '../../segment/arm-segment.ts';

/** All of one control tick. Joints in rad, the gripper, which is last, in m; temperatures degC, torques Nm and N. */
export interface ArmState {
  readonly state: ControlStateName;
  readonly errors: readonly string[];
  readonly tick: number;
  /** Monotonic, ns. */
  readonly timeNs: number;
  readonly position: readonly number[];
  readonly velocity: readonly number[];
  readonly torque: readonly number[];
  readonly commandedPosition: readonly number[];
  readonly commandedVelocity: readonly number[];
  readonly motorTemperatureC: readonly number[];
  /** Number of the chunk being carried out, 0 when there is none. */
  readonly chunk: number;
  /** Why the arm holds, in words; null when it does not. */
  readonly hold: string | null;
  /** A `HoldReason`. */
  readonly holdReason: number;
  /** Names of the limits that shaped the last command. */
  readonly limits: readonly string[];
}

export interface ArmLimits extends MotionLimits {
  readonly positionMin: readonly number[];
  readonly positionMax: readonly number[];
  readonly velocityMax: readonly number[];
  readonly accelerationMax: readonly number[];
  readonly jerkMax: readonly number[];
  /** Pose that RESET moves to. */
  readonly home: readonly number[];
}

/** A copy that stays as it is. */
export function armState(snapshot: ArmSnapshot, dof: number): ArmState {
  const vector = (values: Float64Array): number[] => Array.from(values.subarray(0, dof));
  const { holdReason } = snapshot;
  return {
    state: stateName(snapshot.controlState) as ControlStateName,
    errors: bitNames(ErrorBit, snapshot.errors),
    tick: snapshot.tick,
    timeNs: snapshot.tickNs,
    position: vector(snapshot.position),
    velocity: vector(snapshot.velocity),
    torque: vector(snapshot.torque),
    commandedPosition: vector(snapshot.commandedPosition),
    commandedVelocity: vector(snapshot.commandedVelocity),
    motorTemperatureC: vector(snapshot.motorTemperatureC),
    chunk: snapshot.chunkSequenceActive,
    hold: holdReason === HoldReason.NONE ? null : holdText(holdReason),
    holdReason,
    limits: bitNames(LimitBit, snapshot.limitsHit),
  };
}

export function armLimits({ fields }: ArmSegment): ArmLimits {
  const vector = (values: Float64Array): number[] => Array.from(values.subarray(0, fields.dof));
  return {
    positionMin: vector(fields.positionMin),
    positionMax: vector(fields.positionMax),
    velocityMax: vector(fields.velocityMax),
    accelerationMax: vector(fields.accelerationMax),
    jerkMax: vector(fields.jerkMax),
    home: vector(fields.home),
  };
}

/** Slower than this is at rest, rad/s and m/s. */
const MOVING = 1e-3;

export const isMoving = ({ commandedVelocity }: ArmState): boolean =>
  commandedVelocity.some((velocity) => Math.abs(velocity) > MOVING);
