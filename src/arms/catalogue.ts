import { join } from 'node:path';
import type { CanBus } from '../buses/can.ts';
import { MyelinError } from '../core/errors.ts';
import type { KinematicModel } from '../core/kinematics/model.ts';
import { packageRoot } from '../platform/entry.ts';
import { X5Driver } from './arx-x5/x5-driver.ts';
import {
  type ArmDescription,
  type ArmModel,
  type GripperDescription,
  gripperRatio,
  type MotorModel,
} from './description.ts';
import type { ArmDriver } from './driver.ts';
import { readUrdf } from './urdf.ts';

export type { ArmDescription, ArmModel } from './description.ts';

/** Joints 1 to 3 of each model; the wrist and the gripper are the same. */
const SHOULDER_MOTOR: Readonly<Record<ArmModel, MotorModel>> = { X5: 'EC_A4310', L5: 'DM_J4340' };

/** The six-joint arms skip CAN id 3. */
const CAN_IDS = [1, 2, 4, 5, 6, 7, 8];

/** What an owner may know better than the catalogue. */
export interface DescriptionOptions {
  /** Motor angle of the fully open gripper, rad; about -3.4 on newer grippers. Default 5.03. */
  readonly gripperOpenReadoutRad?: number | undefined;
  /** Opening of the fully open gripper, m; about 0.082 on newer grippers. Default 0.088. */
  readonly gripperWidthM?: number | undefined;
}

/**
 * What is known of an arm model. Position, velocity and torque limits, gains and ids are those of ARX's own SDK
 * (arx5-sdk, include/app/config.h); acceleration, jerk, home and damping are ours and explained below.
 *
 * @throws MyelinError INVALID_ARGUMENT for a gripper that cannot be
 */
export function armDescription(model: ArmModel, options: DescriptionOptions = {}): ArmDescription {
  const gripper: GripperDescription = {
    widthM: checked('gripper width', options.gripperWidthM ?? 0.088, 0.01, 0.2),
    openReadoutRad: checked('gripper open readout', options.gripperOpenReadoutRad ?? 5.03, 0.5, 12),
  };
  const ratio = Math.abs(gripperRatio(gripper));
  const shoulder = SHOULDER_MOTOR[model];
  const jointNames = ['joint1', 'joint2', 'joint3', 'joint4', 'joint5', 'joint6', 'gripper'];
  return {
    model,
    title: `ARX ${model}`,
    dof: 7,
    armDof: 6,
    jointNames,
    motors: jointNames.map((joint, index) => ({
      joint,
      canId: CAN_IDS[index]!,
      model: index < 3 ? shoulder : 'DM_J4310',
      torqueScale: 1,
    })),
    limits: {
      positionMin: Float64Array.of(-3.14, -0.05, -0.1, -1.6, -1.57, -2.0, 0),
      positionMax: Float64Array.of(2.618, 3.5, 3.2, 1.55, 1.57, 2.0, gripper.widthM),
      velocityMax: Float64Array.of(5, 5, 5.5, 5.5, 5, 5, 0.3),
      // The stretched arm weighs on the shoulder with up to 10 Nm and has about 0.4 kg m2: 15 rad/s2 take 6 Nm
      // more, which is well inside 40 Nm and bends the position loop (70 Nm/rad) by under 0.1 rad. The light
      // wrist may be quicker. The gripper reaches its 0.3 m/s in 0.1 s.
      accelerationMax: Float64Array.of(15, 15, 15, 25, 25, 25, 3),
      // Full acceleration in 30 ms (15 ticks at 500 Hz), so torque changes slower than the loop's own
      // bandwidth of a few Hz to 10 Hz and the arm is not rung like a bell.
      jerkMax: Float64Array.of(500, 500, 500, 800, 800, 800, 100),
      torqueMax: Float64Array.of(30, 40, 30, 15, 10, 10, 1.5 / ratio),
    },
    gains: {
      kp: Float64Array.of(80, 70, 70, 30, 30, 20, 5 / ratio ** 2),
      kd: Float64Array.of(2, 2, 2, 1, 1, 0.7, 0.2 / ratio ** 2),
      // The motors accept at most 5. Shoulder and elbow, which carry the weight, get all of it: limp at full
      // stretch they sink at about 2 rad/s at worst and 1 rad/s in common poses.
      dampingKd: Float64Array.of(3, 5, 5, 2, 1.5, 1, 0.2 / ratio ** 2),
    },
    // The tool points straight down 0.30 m in front of the base and 0.16 m above the table, clear of every limit.
    home: Float64Array.of(0, 1.72, 1.66, -1.51, 0, 0, gripper.widthM),
    gripper,
    overCurrentTicks: 20,
    controlFrequencyHz: 500,
    busBitRate: 1_000_000,
    urdf: `arx-x5/${model.toLowerCase()}.urdf`,
  };
}

/** Absolute path of the description shipped with an arm. */
export const urdfPath = ({ urdf }: ArmDescription): string => join(packageRoot(), 'models', urdf);

/**
 * The arm's kinematics: from its own description, or from a user's `--urdf` file, which must have the same
 * number of joints and a link `eef_link`.
 * @throws MyelinError FILE_NOT_FOUND, URDF_INVALID
 */
export const loadKinematics = (description: ArmDescription, urdf = 'auto'): KinematicModel =>
  readUrdf(urdf === 'auto' ? urdfPath(description) : urdf, { armJoints: description.armDof });

export interface ArmDriverOptions {
  /** For the bus load warning. Default: the description's. */
  readonly controlFrequencyHz?: number;
}

/** The driver for an arm on a bus. Nothing is sent before `connect`, `write` or `damp`. */
export const createArmDriver = (
  description: ArmDescription,
  bus: CanBus,
  options: ArmDriverOptions = {},
): ArmDriver => new X5Driver(description, bus, options);

function checked(name: string, value: number, least: number, most: number): number {
  const size = Math.abs(value);
  const signed = name === 'gripper open readout';
  if (size >= least && size <= most && (signed || value > 0)) return value;
  const range = `${least} to ${most}`;
  throw new MyelinError('INVALID_ARGUMENT', {
    name,
    value,
    allowed: signed ? `${range} rad, or the same negative` : `${range} m`,
  });
}
