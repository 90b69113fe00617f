/** A number between `min` and `max` as an unsigned integer of `steps` + 1 values, as both motor makers pack it. */
export function quantise(value: number, min: number, max: number, steps: number): number {
  const clamped = Math.min(max, Math.max(min, value));
  // Both makers cut the fraction off.
  return Math.trunc(((clamped - min) / (max - min)) * steps);
}

/** The number that an integer of {@link quantise} stands for. */
export const dequantise = (code: number, min: number, max: number, steps: number): number =>
  min + (code / steps) * (max - min);

export const STEPS_16 = 0xffff;
export const STEPS_12 = 0xfff;
export const STEPS_9 = 0x1ff;

/** One motor's part of a command, in the motor's own units. Reused every tick. */
export interface MotorCommand {
  positionRad: number;
  velocityRadS: number;
  /** Nm/rad */
  kp: number;
  /** Nm s/rad */
  kd: number;
  torqueNm: number;
}

export const createMotorCommand = (): MotorCommand => ({
  positionRad: 0,
  velocityRadS: 0,
  kp: 0,
  kd: 0,
  torqueNm: 0,
});

/** What a feedback frame says, in the motor's own units. Reused every frame. */
export interface MotorFeedback {
  /** Status nibble or error code as the motor sends it. */
  status: number;
  positionRad: number;
  velocityRadS: number;
  torqueNm: number;
  motorTemperatureC: number;
  driverTemperatureC: number;
}

export const createMotorFeedback = (): MotorFeedback => ({
  status: 0,
  positionRad: 0,
  velocityRadS: 0,
  torqueNm: 0,
  motorTemperatureC: 0,
  driverTemperatureC: 0,
});
