import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forward, placeLinks } from './forward.ts';
import { GRAVITY_DOWN, gravityTorque, potentialEnergy } from './gravity.ts';
import { inverse } from './inverse.ts';
import { jacobian } from './jacobian.ts';
import { type SampleJoint, sampleArm } from './sample-arms.ts';

const number = (size: number) => fc.double({ min: -size, max: size, noNaN: true });
const triple = (size: number) => fc.tuple(number(size), number(size), number(size));
const axis = triple(1).filter((v) => Math.hypot(...v) > 0.2);
const anyJoint: fc.Arbitrary<SampleJoint> = fc.record({
  axis,
  position: triple(0.4),
  rollRad: number(3),
  prismatic: fc.boolean(),
  massKg: fc.double({ min: 0, max: 3, noNaN: true }),
  centerOfMass: triple(0.2),
});
const anyArm = fc.array(anyJoint, { minLength: 1, maxLength: 7 });
const anyPose = fc.array(number(2), { minLength: 7, maxLength: 7 });

/** Two links of 1 m that turn about y: a planar arm whose answers can be worked out by hand. */
const planar = () =>
  sampleArm(
    [
      { axis: [0, 1, 0], position: [0, 0, 0], massKg: 2, centerOfMass: [0.5, 0, 0] },
      { axis: [0, 1, 0], position: [1, 0, 0], massKg: 1, centerOfMass: [0.5, 0, 0] },
    ],
    1,
  );

describe('forward kinematics', () => {
  it('stretches a planar arm along x at zero', () => {
    const pose = forward(planar(), [0, 0], new Float64Array(7));
    expect([...pose]).toEqual([2, 0, 0, 1, 0, 0, 0]);
  });

  it('tips a planar arm down when it turns about y', () => {
    const pose = forward(planar(), [Math.PI / 2, -Math.PI / 2], new Float64Array(7));
    [1, 0, -1, 1, 0, 0, 0].forEach((value, index) => {
      expect(pose[index]).toBeCloseTo(value, 12);
    });
  });

  it('gives the pose of any link', () => {
    const arm = planar();
    const pose = forward(arm, [Math.PI / 2, 0], new Float64Array(7), arm.linkIndex('link2'));
    expect(pose[2]).toBeCloseTo(-1, 12);
    expect(pose[3]).toBeCloseTo(Math.SQRT1_2, 12);
    expect(pose[5]).toBeCloseTo(Math.SQRT1_2, 12);
  });

  it('keeps every rotation a rotation, on any arm in any pose', () => {
    fc.assert(
      fc.property(anyArm, anyPose, (joints, q) => {
        const arm = sampleArm(joints);
        const m = placeLinks(arm, q).slice(arm.tip * 12, arm.tip * 12 + 9);
        for (let i = 0; i < 3; i++) {
          for (let k = 0; k < 3; k++) {
            let dot = 0;
            for (let c = 0; c < 3; c++) dot += m[i * 3 + c]! * m[k * 3 + c]!;
            expect(dot).toBeCloseTo(i === k ? 1 : 0, 9);
          }
        }
        const pose = forward(arm, q, new Float64Array(7));
        expect(Math.hypot(pose[3]!, pose[4]!, pose[5]!, pose[6]!)).toBeCloseTo(1, 9);
        expect(pose[3]).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe('the jacobian', () => {
  it('is the derivative of the tip, on any arm in any pose', () => {
    fc.assert(
      fc.property(anyArm, anyPose, (joints, q) => {
        const arm = sampleArm(joints);
        const n = arm.armDof;
        const j = jacobian(arm, q, new Float64Array(6 * n));
        const at = arm.tip * 12;
        const here = placeLinks(arm, q).slice(at, at + 12);
        for (let column = 0; column < n; column++) {
          const h = 1e-6;
          const moved = [...q];
          moved[column]! += h;
          const ahead = placeLinks(arm, moved).slice(at, at + 12);
          moved[column]! -= 2 * h;
          const behind = placeLinks(arm, moved).slice(at, at + 12);
          for (let row = 0; row < 3; row++) {
            expect(j[row * n + column]).toBeCloseTo((ahead[9 + row]! - behind[9 + row]!) / (2 * h), 5);
          }
          // dR R^T is the cross-product matrix of the angular velocity.
          const spin = (r: number, c: number) => {
            let sum = 0;
            for (let k = 0; k < 3; k++) {
              sum += ((ahead[r * 3 + k]! - behind[r * 3 + k]!) / (2 * h)) * here[c * 3 + k]!;
            }
            return sum;
          };
          expect(j[3 * n + column]).toBeCloseTo(spin(2, 1), 5);
          expect(j[4 * n + column]).toBeCloseTo(spin(0, 2), 5);
          expect(j[5 * n + column]).toBeCloseTo(spin(1, 0), 5);
        }
      }),
    );
  });
});

describe('gravity torque', () => {
  it('holds a stretched planar arm with the moments of its weights', () => {
    const torque = gravityTorque(planar(), [0, 0], GRAVITY_DOWN, new Float64Array(2));
    // About y, a weight in front of the joint turns it forward; holding it takes the opposite.
    expect(torque[0]).toBeCloseTo(-9.81 * (2 * 0.5 + 1 * 1.5), 12);
    expect(torque[1]).toBeCloseTo(-9.81 * 0.5, 12);
  });

  it('is the derivative of the potential energy, on any arm in any pose under any gravity', () => {
    fc.assert(
      fc.property(anyArm, anyPose, triple(12), (joints, q, gravity) => {
        const arm = sampleArm(joints);
        const torque = gravityTorque(arm, q, gravity, new Float64Array(arm.dof));
        for (let i = 0; i < arm.dof; i++) {
          const h = 1e-5;
          const moved = [...q];
          moved[i]! += h;
          const ahead = potentialEnergy(arm, moved, gravity);
          moved[i]! -= 2 * h;
          const behind = potentialEnergy(arm, moved, gravity);
          expect(torque[i]).toBeCloseTo((ahead - behind) / (2 * h), 4);
        }
      }),
    );
  });
});

describe('inverse kinematics', () => {
  const range = { positionMin: [-3, -3], positionMax: [3, 3] };

  it('reaches a point when only the position is asked for', () => {
    const arm = planar();
    const goal = forward(arm, [0.4, 0.9], new Float64Array(7));
    const found = inverse(arm, goal, [0, 0.1], range, { orientationWeightM: 0 });
    expect(found.solved).toBe(true);
    const reached = forward(arm, found.q, new Float64Array(7));
    expect(Math.hypot(reached[0]! - goal[0]!, reached[2]! - goal[2]!)).toBeLessThan(1e-4);
  });

  it('says so when a point is out of reach, and stays within the joint ranges', () => {
    const found = inverse(planar(), [5, 0, 0, 1, 0, 0, 0], [0.2, 0.2], range, { orientationWeightM: 0 });
    expect(found.solved).toBe(false);
    expect(found.positionErrorM).toBeCloseTo(3, 2);
    for (const q of found.q) expect(Math.abs(q)).toBeLessThanOrEqual(3);
  });

  it('refuses a target that is not a pose', () => {
    expect(() => inverse(planar(), [1, 2, 3], [0, 0], range)).toThrow(/7 numbers/);
  });
});
