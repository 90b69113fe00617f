/** Bits of `limitsHit`: what shaped the last command. Everything here is a clamp; what is refused raises SAFETY. */
export const LimitBit = {
  /** The target lay outside the joint range and was moved to its edge. */
  POSITION: 1,
  VELOCITY: 2,
  ACCELERATION: 4,
  JERK: 8,
  /** Stiffness was lowered so that the motor's torque stays below its limit (the gripper's grip force too). */
  TORQUE: 16,
  /** The step would have led into the table or the arm itself; the arm braked in its place. */
  ENVELOPE: 32,
  /** The gripper's target was kept near its measured opening because something is in its way. */
  GRIPPER: 64,
} as const;
export type LimitBitName = keyof typeof LimitBit;

/** Values of `holdReason`: why the arm keeps its pose. */
export const HoldReason = {
  NONE: 0,
  NO_FRESH_ACTION: 1,
  WATCHDOG: 2,
  PAUSED: 3,
  CHUNK_REFUSED: 4,
  COLLISION: 5,
  /** No motor feedback for a moment: nothing new is tried until it is back. */
  NO_FEEDBACK: 6,
} as const;
export type HoldReasonName = keyof typeof HoldReason;
