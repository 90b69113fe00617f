/**
 * How warm a motor gets: winding and driver each follow the square of the torque with their own delay, as one
 * resistance and one capacity would. Temperatures in degrees Celsius.
 */
export class Thermal {
  windingC: number;
  driverC: number;
  readonly #ambientC: number;
  readonly #ratedTorqueNm: number;

  /** Temperature rises at rated torque, and the time constants they are reached with. */
  static readonly WINDING_RISE_C = 50;
  static readonly WINDING_TIME_S = 90;
  static readonly DRIVER_RISE_C = 25;
  static readonly DRIVER_TIME_S = 25;

  constructor(ratedTorqueNm: number, ambientC: number) {
    this.#ratedTorqueNm = ratedTorqueNm;
    this.#ambientC = ambientC;
    this.windingC = ambientC;
    this.driverC = ambientC;
  }

  /** `meanSquareTorque` in Nm^2 over the last `dtS`. */
  advance(meanSquareTorque: number, dtS: number): void {
    const load = meanSquareTorque / this.#ratedTorqueNm ** 2;
    const windingGoal = this.#ambientC + Thermal.WINDING_RISE_C * load;
    const driverGoal = this.#ambientC + Thermal.DRIVER_RISE_C * load;
    this.windingC += (windingGoal - this.windingC) * Math.min(1, dtS / Thermal.WINDING_TIME_S);
    this.driverC += (driverGoal - this.driverC) * Math.min(1, dtS / Thermal.DRIVER_TIME_S);
  }
}
