/**
 * The arm driver: the only thing that knows motors. Everything is in joint units (rad, m at the gripper, Nm,
 * N at the gripper); no call but `connect` waits, none allocates.
 */

/** Measured state, written in place by {@link ArmDriver.read}. Arrays are `dof` long. */
export interface ArmState {
  readonly position: Float64Array;
  readonly velocity: Float64Array;
  /** Load estimate, Nm (N at the gripper); sign correct, not calibrated. */
  readonly torque: Float64Array;
  readonly motorTemperatureC: Float64Array;
  readonly driverTemperatureC: Float64Array;
  /** Age of the newest feedback of each motor, ns. */
  readonly feedbackAgeNs: Float64Array;
  /** What the motor says of itself, as it says it (status nibble or error code). */
  readonly status: Uint32Array;
  /** {@link MotorFault} bits a motor. */
  readonly fault: Uint32Array;
}

export const MotorFault = {
  OVER_VOLTAGE: 1,
  UNDER_VOLTAGE: 2,
  OVER_CURRENT: 4,
  OVER_TEMPERATURE: 8,
  COMMUNICATION_LOST: 16,
  OVERLOAD: 32,
  SENSOR: 64,
  DISABLED: 128,
  OTHER: 256,
} as const;

/** One tick's command; the law in the motor is torque = kp (position - q) + kd (velocity - q') + feed-forward. */
export interface ArmCommand {
  readonly position: Float64Array;
  readonly velocity: Float64Array;
  readonly torqueFeedForward: Float64Array;
  readonly kp: Float64Array;
  readonly kd: Float64Array;
}

export interface MotorReport {
  readonly joint: string;
  readonly canId: number;
  readonly model: string;
  /** Scales in force, and whether the motor told them or they are the data sheet's. */
  readonly positionMaxRad: number;
  readonly velocityMaxRadS: number;
  readonly torqueMaxNm: number;
  readonly rangesFrom: 'motor' | 'data sheet';
  /** The motor's own communication timeout, ms; 0 = off, undefined = it did not say. */
  readonly communicationTimeoutMs: number | undefined;
}

export interface ArmReport {
  readonly motors: readonly MotorReport[];
  readonly warnings: readonly string[];
}

export interface ArmDriver {
  readonly dof: number;
  readonly jointNames: readonly string[];
  /** Share of the bus's bit rate one command-and-reply cycle takes at `frequencyHz`, 0 to 1. */
  busLoad(frequencyHz: number): number;
  /**
   * Wakes every motor limp (zero stiffness), reads ranges and timeouts. May take a second; `waitMs` passes the time.
   * @throws MyelinError MOTOR_SILENT, MOTOR_FAULT
   */
  connect(waitMs: (ms: number) => void): ArmReport;
  /** Takes in every waiting frame and writes the newest state to `state`. */
  read(nowNs: number, state: ArmState): void;
  /** Sends one frame a motor. Returns how many were accepted by the bus. */
  write(command: ArmCommand): number;
  /** Sends one damping frame a motor (zero stiffness, configured damping, no feed-forward). Needs no feedback. */
  damp(): number;
  close(): void;
}

export const createArmState = (dof: number): ArmState => ({
  position: new Float64Array(dof),
  velocity: new Float64Array(dof),
  torque: new Float64Array(dof),
  motorTemperatureC: new Float64Array(dof),
  driverTemperatureC: new Float64Array(dof),
  feedbackAgeNs: new Float64Array(dof).fill(Number.POSITIVE_INFINITY),
  status: new Uint32Array(dof),
  fault: new Uint32Array(dof),
});

export const createArmCommand = (dof: number): ArmCommand => ({
  position: new Float64Array(dof),
  velocity: new Float64Array(dof),
  torqueFeedForward: new Float64Array(dof),
  kp: new Float64Array(dof),
  kd: new Float64Array(dof),
});
