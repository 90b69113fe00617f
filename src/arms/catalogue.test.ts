import { describe, expect, it } from 'vitest';
import { CollisionModel } from '../core/kinematics/collision.ts';
import { forward } from '../core/kinematics/forward.ts';
import { GRAVITY_DOWN, gravityTorque } from '../core/kinematics/gravity.ts';
import { inverse } from '../core/kinematics/inverse.ts';
import { armDescription, loadKinematics } from './catalogue.ts';
import { gripperRatio } from './description.ts';

/** Made once with MuJoCo 3.14 from the maker's X5.urdf (mj_forward, qfrc_bias at rest, g = 9.81). */
const GOLDEN = [
  { q: [0, 0, 0, 0, 0, 0], tip: [0.2402, 0.001, 0.1565], torque: [0, 0.828, 5.508, 1.32, 0, 0] },
  { q: [0, 1, 1, 0, 0, 0], tip: [0.3616, 0.001, 0.3786], torque: [0, -2.085, 5.508, 1.32, 0, 0] },
  { q: [0, 1.57, 1.57, 0, 0, 0], tip: [0.504, 0.001, 0.4205], torque: [0, -5.503, 5.508, 1.32, 0, 0] },
  {
    q: [0, 1.2, 1.0, 0.3, 0.2, 0.1],
    tip: [0.4101, -0.0335, 0.3763],
    torque: [0, -3.29, 5.586, 1.281, -0.01, 0],
  },
];

const x5 = armDescription('X5');
const arm = loadKinematics(x5);
const pose = new Float64Array(7);
const torque = new Float64Array(7);

describe('the X5 description', () => {
  for (const golden of GOLDEN) {
    it(`puts the tool where MuJoCo puts it at q = ${golden.q.join(' ')}`, () => {
      forward(arm, golden.q, pose);
      golden.tip.forEach((value, index) => {
        expect(Math.abs(pose[index]! - value)).toBeLessThan(6e-5);
      });
    });

    it(`weighs what MuJoCo weighs at q = ${golden.q.join(' ')}`, () => {
      gravityTorque(arm, golden.q, GRAVITY_DOWN, torque);
      golden.torque.forEach((value, index) => {
        expect(Math.abs(torque[index]! - value)).toBeLessThan(6e-4);
      });
      expect(torque[6]).toBe(0);
    });
  }

  it('leaves the tool unturned at zero', () => {
    forward(arm, [0, 0, 0, 0, 0, 0], pose);
    [1, 0, 0, 0].forEach((value, index) => {
      expect(pose[3 + index]).toBeCloseTo(value, 6);
    });
  });

  it('opens its fingers by half of the gripper opening each', () => {
    const [left, right] = ['finger_left_link', 'finger_right_link'].map((name) => {
      return forward(arm, [0, 0, 0, 0, 0, 0, 0.06], new Float64Array(7), arm.linkIndex(name));
    });
    expect(left![1]! - right![1]!).toBeCloseTo(0.06, 9);
  });
});

for (const model of ['X5', 'L5'] as const) {
  const description = armDescription(model);
  const { limits, home } = description;
  const kinematics = loadKinematics(description);
  const body = new CollisionModel(kinematics, home);

  describe(`the ${model} in the catalogue`, () => {
    it('has six joints, a gripper, and one number each in every vector', () => {
      expect(kinematics.armDof).toBe(6);
      expect(kinematics.dof).toBe(7);
      expect(kinematics.jointNames).toEqual(description.jointNames.slice(0, 6));
      expect(kinematics.warnings).toEqual([]);
      for (const vector of [...Object.values(limits), ...Object.values(description.gains), home]) {
        expect(vector).toHaveLength(7);
      }
      expect(description.motors.map(({ canId }) => canId)).toEqual([1, 2, 4, 5, 6, 7, 8]);
    });

    it('starts from a home within limits, clear of itself, with the tool pointing straight down', () => {
      for (let i = 0; i < 6; i++) {
        expect(home[i]! - limits.positionMin[i]!).toBeGreaterThan(0.08);
        expect(limits.positionMax[i]! - home[i]!).toBeGreaterThan(0.08);
      }
      expect(body.skipped).toEqual([]);
      expect(body.selfDistance(home).distanceM).toBeGreaterThan(0.02);
      expect(body.lowestZ(home)).toBeGreaterThan(0.06);
      forward(kinematics, home, pose);
      expect(pose[3]).toBeCloseTo(Math.SQRT1_2, 3);
      expect(pose[5]).toBeCloseTo(Math.SQRT1_2, 3);
    });

    it('rests folded at zero, and the straight way from there to home is free', () => {
      for (let step = 0; step <= 100; step++) {
        const q = home.map((value) => (value * step) / 100);
        expect(body.selfDistance(q).distanceM).toBeGreaterThan(0.004);
        expect(body.lowestZ(q)).toBeGreaterThan(0.03);
      }
    });

    it('reaches with inverse kinematics every pose that it can take', () => {
      const spread = (index: number, joint: number) => (Math.sin(index * 12.9898 + joint * 78.233) + 1) / 2;
      let solved = 0;
      const count = 200;
      for (let index = 0; index < count; index++) {
        const q = Array.from({ length: 6 }, (_, joint) => {
          const low = limits.positionMin[joint]!;
          return low + (limits.positionMax[joint]! - low) * spread(index, joint);
        });
        const goal = forward(kinematics, q, new Float64Array(7));
        const found = inverse(kinematics, goal, home, limits);
        if (!found.solved) continue;
        solved += 1;
        const reached = forward(kinematics, found.q, pose);
        expect(
          Math.hypot(reached[0]! - goal[0]!, reached[1]! - goal[1]!, reached[2]! - goal[2]!),
        ).toBeLessThan(1e-4);
        const cosine = Math.abs([3, 4, 5, 6].reduce((sum, i) => sum + reached[i]! * goal[i]!, 0));
        expect(2 * Math.acos(Math.min(1, cosine))).toBeLessThan(2e-3);
        found.q.forEach((value, joint) => {
          expect(value).toBeGreaterThanOrEqual(limits.positionMin[joint]!);
          expect(value).toBeLessThanOrEqual(limits.positionMax[joint]!);
        });
      }
      expect(solved).toBe(count);
    });

    it('reaches down to the table all over the workspace in front of it', () => {
      for (let x = 0.22; x <= 0.42; x += 0.04) {
        for (let y = -0.2; y <= 0.2; y += 0.05) {
          if (Math.hypot(x, y) > 0.44) continue;
          for (const z of [0.02, 0.12]) {
            const found = inverse(kinematics, [x, y, z, Math.SQRT1_2, 0, Math.SQRT1_2, 0], home, limits);
            expect(found.solved, `${x} ${y} ${z}`).toBe(true);
            expect(body.selfDistance(found.q).distanceM).toBeGreaterThan(0.01);
            // Nothing hangs below the finger tips but, high up, the turret.
            expect(body.lowestZ(found.q)).toBeGreaterThan(Math.min(z - 0.02, 0.07));
          }
        }
      }
    });
  });
}

describe('the gripper in the catalogue', () => {
  it('takes another readout and width, also of a motor that turns the other way', () => {
    const { gripper, limits, home } = armDescription('X5', {
      gripperOpenReadoutRad: -3.4,
      gripperWidthM: 0.082,
    });
    expect(gripperRatio(gripper)).toBeCloseTo(-0.024118, 6);
    expect(limits.positionMax[6]).toBe(0.082);
    expect(home[6]).toBe(0.082);
    expect(limits.torqueMax[6]).toBeCloseTo(62.2, 1);
  });

  it('refuses a readout or a width that no gripper has', () => {
    expect(() => armDescription('X5', { gripperOpenReadoutRad: 0 })).toThrow(/gripper open readout is 0/);
    expect(() => armDescription('X5', { gripperWidthM: -0.08 })).toThrow(/0.01 to 0.2 m/);
  });
});
