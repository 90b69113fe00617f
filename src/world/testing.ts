import type { LockstepBus } from './lockstep-bus.ts';
import type { World } from './world.ts';

/**
 * A bare-bones host for tests of the world: packs commands from the protocol tables with big integers, one number
 * beside the other, so that it shares no code with either side.
 */
export class TestHost {
  readonly #world: World;
  readonly #bus: LockstepBus;
  readonly #pose = [0, 0, 0, 0, 0, 0, 0];

  constructor(world: World, bus: LockstepBus) {
    this.#world = world;
    this.#bus = bus;
  }

  /** Enables every motor that knows the word. */
  enable(): void {
    for (const motor of this.#world.motors) {
      if (motor.data.family === 'damiao') {
        this.#bus.send(motor.canId, Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 0xfc), 8);
      }
    }
    this.#world.step(0.005);
  }

  command(index: number, positionRad: number, kp: number, kd: number, torqueNm = 0): void {
    const motor = this.#world.motors[index]!;
    const { positionMaxRad, velocityMaxRadS, torqueMaxNm, family } = motor.data;
    const at = (value: number, min: number, max: number, bits: number) =>
      BigInt(Math.trunc(((value - min) / (max - min)) * (2 ** bits - 1)));
    const position = at(positionRad, -positionMaxRad, positionMaxRad, 16);
    const velocity = at(0, -velocityMaxRadS, velocityMaxRadS, 12);
    const torque = at(torqueNm, -torqueMaxNm, torqueMaxNm, 12);
    const word =
      family === 'encos'
        ? (at(kp, 0, 500, 12) << 49n) |
          (at(kd, 0, 5, 9) << 40n) |
          (position << 24n) |
          (velocity << 12n) |
          torque
        : (position << 48n) |
          (velocity << 36n) |
          (at(kp, 0, 500, 12) << 24n) |
          (at(kd, 0, 5, 12) << 12n) |
          torque;
    const data = new Uint8Array(8);
    new DataView(data.buffer).setBigUint64(0, word);
    this.#bus.send(motor.canId, data, 8);
  }

  /** Moves smoothly to a pose (rad; gripper opening m) in `durationS`, stiffly, at 500 Hz. */
  moveTo(arm: readonly number[], openingM: number, durationS: number): void {
    const goal = [...arm, openingM * (5.03 / 0.088)];
    const start = [...this.#pose];
    const ticks = Math.round(durationS * 500);
    for (let tick = 1; tick <= ticks; tick += 1) {
      const u = tick / ticks;
      const share = u ** 3 * (10 - 15 * u + 6 * u * u);
      for (const [i, value] of goal.entries()) this.#pose[i] = start[i]! + (value - start[i]!) * share;
      this.tick();
    }
  }

  /** One control cycle: a command to every motor, then 2 ms. */
  tick(): void {
    this.#pose.forEach((positionRad, i) => {
      const isGripper = i === 6;
      // A gripper that has met something presses on with a little more than a newton-metre.
      const target = isGripper
        ? Math.max(positionRad, this.#world.motors[6]!.positionRad() - 0.25)
        : positionRad;
      this.command(i, target, isGripper ? 5 : 400, isGripper ? 0.2 : i < 3 ? 5 : 2);
    });
    this.#world.step(0.002);
    const frame = { id: 0, length: 0, data: new Uint8Array(8) };
    while (this.#bus.receive(frame));
  }
}

/** Joint angles of an X5 whose gripper points straight down at (x, y, z), fingers across `yawRad`. */
export function downwards(xM: number, yM: number, zM: number, yawRad = 0): number[] {
  const upperArm = 0.264;
  const [forearmX, forearmZ] = [0.245, 0.056];
  const forearm = Math.hypot(forearmX, forearmZ);
  const wristX = Math.hypot(xM, yM) - 0.02;
  const wristZ = zM + 0.06575 + 0.02845 + 0.145 - 0.1005;
  const distance = Math.hypot(wristX, wristZ);
  const inner = Math.acos((upperArm ** 2 + distance ** 2 - forearm ** 2) / (2 * upperArm * distance));
  const elbow = Math.atan2(wristZ, wristX) + inner;
  const down = Math.atan2(upperArm * Math.sin(elbow) - wristZ, wristX - upperArm * Math.cos(elbow));
  const pitch = down + Math.atan2(forearmZ, forearmX);
  const q1 = Math.atan2(yM, xM);
  const quarter = Math.PI / 2;
  const roll = q1 - yawRad - quarter * Math.round((q1 - yawRad) / quarter);
  return [q1, Math.PI - elbow, Math.PI - elbow - pitch, pitch - quarter, 0, roll];
}
