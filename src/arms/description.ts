/**
 * An arm model on paper: everything a driver, a controller or a policy needs to know about it before any motor
 * has answered. Vectors are `dof` long: arm joints first (rad), then the gripper (m, N at the fingers).
 */
export interface ArmDescription {
  readonly model: ArmModel;
  /** For people. */
  readonly title: string;
  readonly dof: number;
  /** Joints before the gripper; the gripper is coordinate number `armDof`. */
  readonly armDof: number;
  readonly jointNames: readonly string[];
  readonly motors: readonly MotorDescription[];
  readonly limits: ArmLimits;
  readonly gains: ArmGains;
  /** Pose that RESET moves to: gripper open, pointing down at the table in front of the arm. */
  readonly home: Float64Array;
  readonly gripper: GripperDescription;
  /** Ticks in a row with more torque than the limit before it is a fault. */
  readonly overCurrentTicks: number;
  /** Control rate the limits and the bus were chosen for, Hz. */
  readonly controlFrequencyHz: number;
  /** Bit rate of the bus, bit/s. */
  readonly busBitRate: number;
  /** The description shipped with Myelin, relative to the folder `models/`. */
  readonly urdf: string;
}

export type ArmModel = 'X5' | 'L5';

/** Motor types on these arms, as their makers call them. */
export type MotorModel = 'EC_A4310' | 'DM_J4310' | 'DM_J4340';

export interface MotorDescription {
  readonly joint: string;
  readonly canId: number;
  readonly model: MotorModel;
  /**
   * Nm at the joint for each Nm that the motor's protocol speaks of. 1 takes the makers at their word; ARX's SDK
   * works with other constants, and nobody has published a measurement.
   */
  readonly torqueScale: number;
}

export interface ArmLimits {
  readonly positionMin: Float64Array;
  readonly positionMax: Float64Array;
  readonly velocityMax: Float64Array;
  readonly accelerationMax: Float64Array;
  readonly jerkMax: Float64Array;
  readonly torqueMax: Float64Array;
}

export interface ArmGains {
  /** Stiffness, Nm/rad (N/m at the gripper). */
  readonly kp: Float64Array;
  /** Damping, Nm s/rad (N s/m at the gripper). */
  readonly kd: Float64Array;
  /** Damping with no stiffness, for DAMPING and the guardian. */
  readonly dampingKd: Float64Array;
}

export interface GripperDescription {
  /** Opening between the fingers when fully open, m. */
  readonly widthM: number;
  /** Motor angle when fully open, rad; 0 is closed. Negative on grippers whose motor turns the other way. */
  readonly openReadoutRad: number;
}

/** Metres of opening per radian of the gripper's motor; negative when it turns the other way. */
export const gripperRatio = ({ widthM, openReadoutRad }: GripperDescription): number =>
  widthM / openReadoutRad;
