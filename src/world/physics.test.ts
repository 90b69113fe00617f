import { afterAll, describe, expect, it } from 'vitest';
import { Physics } from './physics.ts';

const x5 = await Physics.create('X5');
const l5 = await Physics.create('L5');
afterAll(() => {
  x5.close();
  l5.close();
});

function tipAt(physics: Physics, pose: number[]): number[] {
  physics.setArm(pose);
  return [...physics.tipPosition(new Float64Array(3))];
}

describe('the arm in the scene', () => {
  it('weighs what the description says', () => {
    expect(x5.totalMassKg('base_link')).toBeCloseTo(3.52, 3);
    expect(l5.totalMassKg('base_link')).toBeCloseTo(3.6611, 3);
  });

  it.each([
    [
      [0, 0, 0, 0, 0, 0],
      [0.2402, 0.001, 0.1565],
    ],
    [
      [0, 1, 1, 0, 0, 0],
      [0.3616, 0.001, 0.3786],
    ],
    [
      [0, 1.57, 1.57, 0, 0, 0],
      [0.504, 0.001, 0.4205],
    ],
    [
      [0, 1.2, 1, 0.3, 0.2, 0.1],
      [0.4101, -0.0335, 0.3763],
    ],
  ])('has its tip where the description puts it at %j', (pose, tip) => {
    for (const [axis, value] of tipAt(x5, pose).entries()) expect(value).toBeCloseTo(tip[axis]!, 3);
  });

  it.each([
    [
      [0, 0, 0, 0, 0, 0],
      [0, 0.828, 5.508, 1.32],
    ],
    [
      [0, 1, 1, 0, 0, 0],
      [0, -2.085, 5.508, 1.32],
    ],
    [
      [0, 1.57, 1.57, 0, 0, 0],
      [0, -5.503, 5.508, 1.32],
    ],
    [
      [0, 1.2, 1, 0.3, 0.2, 0.1],
      [0, -3.29, 5.586, 1.281],
    ],
  ])('needs the torque of the description to be held up at %j', (pose, torques) => {
    const physics = x5;
    physics.setArm(pose);
    // Held by stiff springs at rest, so that what the motors give is what gravity asks for, give or take friction.
    for (let step = 0; step < 1500; step += 1) {
      for (let motor = 0; motor < 6; motor += 1) {
        physics.setMotorLaw(motor, 20_000 * pose[motor]!, 20_000, 200, -36, 36);
      }
      physics.step();
    }
    torques.forEach((torque, motor) => {
      const friction = motor < 3 ? 0.26 : 0.09;
      expect(Math.abs(physics.motorTorque(motor) - torque)).toBeLessThan(friction + 0.02 * Math.abs(torque));
    });
  });

  it('opens both fingers alike, to 88 mm', () => {
    x5.setArm([0, 0, 0, 0, 0, 0, 0]);
    for (let motor = 0; motor < 7; motor += 1) x5.setMotorLaw(motor, 0, 2000, 40, -36, 36);
    for (let step = 0; step < 1000; step += 1) {
      x5.setMotorLaw(6, 5 * 6, 5, 0.2, -7, 7);
      x5.step();
    }
    expect(x5.motorPosition(6) * (0.088 / 5.03)).toBeCloseTo(0.088, 3);
    expect(x5.qpos[6]).toBeCloseTo(x5.qpos[7]!, 4);
  });
});
