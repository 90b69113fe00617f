/** Data-sheet numbers of the motors in the arms, at the output shaft. */
export interface MotorData {
  readonly model: string;
  readonly family: 'damiao' | 'encos';
  readonly ratedTorqueNm: number;
  readonly peakTorqueNm: number;
  /** Speed at which no torque is left, rad/s. */
  readonly noLoadSpeedRadS: number;
  /** Scales of the protocol: position, velocity, torque reach from minus to plus these. */
  readonly positionMaxRad: number;
  readonly velocityMaxRadS: number;
  readonly torqueMaxNm: number;
}

/** ARX motors are scaled 12.5 / 45 / 18 whatever their model; a data-sheet J4310 would be 12.5 / 30 / 10. */
const ARX_DAMIAO_RANGES = { positionMaxRad: 12.5, velocityMaxRadS: 45, torqueMaxNm: 18 };

export const EC_A4310: MotorData = {
  model: 'EC_A4310',
  family: 'encos',
  ratedTorqueNm: 12,
  peakTorqueNm: 36,
  noLoadSpeedRadS: 10.8,
  positionMaxRad: 12.5,
  velocityMaxRadS: 18,
  torqueMaxNm: 30,
};

export const DM_J4310: MotorData = {
  model: 'DM_J4310',
  family: 'damiao',
  ratedTorqueNm: 3,
  peakTorqueNm: 7,
  noLoadSpeedRadS: 20.9,
  ...ARX_DAMIAO_RANGES,
};

export const DM_J4340: MotorData = {
  model: 'DM_J4340',
  family: 'damiao',
  ratedTorqueNm: 9,
  peakTorqueNm: 27,
  noLoadSpeedRadS: 8.5,
  ...ARX_DAMIAO_RANGES,
};

export interface MotorPlace {
  /** Of the joint it turns; `gripper` for the last. */
  readonly joint: string;
  readonly canId: number;
  readonly data: MotorData;
}

const place = (bigJoints: MotorData): MotorPlace[] => [
  { joint: 'joint1', canId: 1, data: bigJoints },
  { joint: 'joint2', canId: 2, data: bigJoints },
  { joint: 'joint3', canId: 4, data: bigJoints },
  { joint: 'joint4', canId: 5, data: DM_J4310 },
  { joint: 'joint5', canId: 6, data: DM_J4310 },
  { joint: 'joint6', canId: 7, data: DM_J4310 },
  { joint: 'gripper', canId: 8, data: DM_J4310 },
];

/** Motors of each arm, in the order of its actuators. CAN id 3 is not used. */
export const ARM_MOTORS: Readonly<Record<'X5' | 'L5', readonly MotorPlace[]>> = {
  X5: place(EC_A4310),
  L5: place(DM_J4340),
};
