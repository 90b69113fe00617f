import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MyelinError } from '../core/errors.ts';
import { forward } from '../core/kinematics/forward.ts';
import { parseUrdf, readUrdf } from './urdf.ts';

/** Two joints and a tip; `extra` goes inside the robot, `replace` swaps words. */
const twoJoints = (extra = '', replace: Readonly<Record<string, string>> = {}): string => {
  let text = `<?xml version="1.0"?>
<robot name="two">
  <link name="base_link" />
  <link name="upper">
    <inertial><origin xyz="0.5 0 0" /><mass value="2" /><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0" /></inertial>
  </link>
  <link name="lower" />
  <link name="eef_link" />
  <joint name="shoulder" type="revolute">
    <parent link="base_link" /><child link="upper" /><origin xyz="0 0 1" rpy="0 0 1.5707963267948966" /><axis xyz="0 2 0" />
  </joint>
  <joint name="elbow" type="continuous">
    <parent link="upper" /><child link="lower" /><origin xyz="1 0 0" /><axis xyz="0 1 0" />
  </joint>
  <joint name="tool" type="fixed"><parent link="lower" /><child link="eef_link" /><origin xyz="1 0 0" /></joint>
  ${extra}
</robot>`;
  for (const [from, to] of Object.entries(replace)) text = text.replace(from, to);
  return text;
};

const failure = (text: string, options = {}): MyelinError => {
  try {
    parseUrdf(text, 'my.urdf', options);
  } catch (thrown) {
    if (thrown instanceof MyelinError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
};

describe('a URDF description', () => {
  it('becomes a chain of joints in their order', () => {
    const arm = parseUrdf(twoJoints(), 'my.urdf', { armJoints: 2 });
    expect(arm.name).toBe('two');
    expect(arm.jointNames).toEqual(['shoulder', 'elbow']);
    expect([arm.armDof, arm.dof]).toEqual([2, 2]);
    const pose = forward(arm, [0, -Math.PI / 2], new Float64Array(7));
    // Turned to the left by its yaw, the arm reaches along y, and up with the elbow.
    [0, 1, 2].forEach((value, index) => {
      expect(pose[index]).toBeCloseTo(value, 9);
    });
  });

  it('does not depend on the order in which links and joints are written', () => {
    const lines = twoJoints()
      .split(/(?=<link)|(?=<joint)|(?=<\/robot>)/)
      .map((part) => part.trim());
    const [head, ...parts] = lines;
    const tail = parts.pop();
    const arm = parseUrdf([head, ...parts.reverse(), tail].join('\n'), 'my.urdf');
    expect(arm.jointNames).toEqual(['shoulder', 'elbow']);
  });

  it('moves every finger by half of the gripper coordinate, with its mimic', () => {
    const arm = parseUrdf(
      twoJoints(`
        <link name="left" /><link name="right" />
        <joint name="fl" type="prismatic"><parent link="lower" /><child link="left" /><axis xyz="0 1 0" /></joint>
        <joint name="fr" type="prismatic"><parent link="lower" /><child link="right" /><axis xyz="0 1 0" />
          <mimic joint="fl" multiplier="-1" /></joint>`),
      'my.urdf',
    );
    expect([arm.armDof, arm.dof]).toEqual([2, 3]);
    const q = [-Math.PI / 2, 0, 0.06];
    const left = forward(arm, q, new Float64Array(7), arm.linkIndex('left'));
    const right = forward(arm, q, new Float64Array(7), arm.linkIndex('right'));
    expect(right[0]! - left[0]!).toBeCloseTo(0.06, 9);
  });

  it('turns cylinders, spheres and boxes into capsules, and says which meshes it leaves out', () => {
    const arm = parseUrdf(
      twoJoints('', {
        '<link name="lower" />': `<link name="lower">
          <collision><origin xyz="0.5 0 0" rpy="0 1.5707963267948966 0" /><geometry><cylinder radius="0.1" length="1" /></geometry></collision>
          <collision><geometry><sphere radius="0.2" /></geometry></collision>
          <collision><geometry><box size="0.06 0.4 0.08" /></geometry></collision>
          <collision><geometry><mesh filename="lower.stl" /></geometry></collision>
        </link>`,
      }),
      'my.urdf',
    );
    const [cylinder, sphere, box, ...more] = arm.links[arm.linkIndex('lower')]!.capsules;
    expect(more).toEqual([]);
    expect(cylinder!.a[0]).toBeCloseTo(0, 9);
    expect(cylinder!.b[0]).toBeCloseTo(1, 9);
    expect([sphere!.a, sphere!.b, sphere!.radiusM]).toEqual([[0, 0, 0], [0, 0, 0], 0.2]);
    expect(box!.b[1]).toBeCloseTo(0.2, 9);
    expect(box!.radiusM).toBeCloseTo(0.05, 9);
    expect(arm.warnings).toEqual([
      'a collision mesh of link "lower" is ignored: only cylinders, spheres and boxes are checked',
    ]);
  });

  it('takes a turning joint beside the chain as fixed, and says so', () => {
    const extra = `<link name="lid" /><joint name="hinge" type="revolute"><parent link="upper" /><child link="lid" /></joint>`;
    const arm = parseUrdf(twoJoints(extra), 'my.urdf');
    expect(arm.dof).toBe(2);
    expect(arm.warnings[0]).toContain('"hinge"');
  });
});

describe('a wrong URDF description is refused', () => {
  const cases: readonly [string, string, RegExp][] = [
    ['that is not XML', '<robot><link', /my\.urdf cannot be used: /],
    ['that is empty', '', /my\.urdf cannot be used: /],
    ['that is no robot', '<sdf><model /></sdf>', /robot: /],
    ['without links', '<robot name="x" />', /link: /],
    ['with a nameless link', twoJoints('', { 'name="lower"': 'nom="lower"' }), /link number 3, name/],
    ['with a joint without a child', twoJoints('', { '<child link="lower" />': '' }), /joint "elbow", child/],
    ['with two links of a name', twoJoints('<link name="upper" />'), /two links "upper"/],
    [
      'with two joints of a name',
      twoJoints('', { 'name="elbow"': 'name="shoulder"' }),
      /two joints "shoulder"/,
    ],
    [
      'with a joint to nowhere',
      twoJoints('', { '<child link="lower" />': '<child link="hand" />' }),
      /joins "hand"/,
    ],
    ['with a loose link', twoJoints('<link name="stray" />'), /"base_link" and "stray" are not joined/],
    [
      'with a link that hangs from two',
      twoJoints('<joint name="x" type="fixed"><parent link="base_link" /><child link="lower" /></joint>'),
      /"lower" hangs from both "elbow" and "x"/,
    ],
    [
      'with a circle',
      twoJoints('<joint name="x" type="fixed"><parent link="eef_link" /><child link="base_link" /></joint>'),
      /circle/,
    ],
    [
      'without a tip',
      twoJoints('', { 'name="eef_link"': 'name="tool0"', 'link="eef_link"': 'link="tool0"' }),
      /eef_link/,
    ],
    [
      'with an axis of length zero',
      twoJoints('', { 'xyz="0 2 0"': 'xyz="0 0 0"' }),
      /axis of joint "shoulder" is zero/,
    ],
    [
      'with an origin of two numbers',
      twoJoints('', { 'xyz="0 0 1"': 'xyz="0 1"' }),
      /origin of joint "shoulder" is "0 1", not three numbers/,
    ],
    [
      'with a mass that is none',
      twoJoints('', { 'value="2"': 'value="heavy"' }),
      /mass of link "upper" is "heavy"/,
    ],
    [
      'with a negative mass',
      twoJoints('', { 'value="2"': 'value="-2"' }),
      /mass of link "upper" is negative/,
    ],
    [
      'with a floating joint',
      twoJoints('', { 'type="continuous"': 'type="floating"' }),
      /"elbow" is of type "floating"/,
    ],
  ];
  for (const [what, text, message] of cases) {
    it(what, () => {
      const error = failure(text);
      expect(error.code).toBe('URDF_INVALID');
      expect(error.message).toContain('my.urdf');
      expect(error.message).toMatch(message);
    });
  }

  it('with the wrong number of joints', () => {
    expect(failure(twoJoints(), { armJoints: 6 }).message).toMatch(/2 joints move .* this arm has 6/);
  });

  it('not at all for entities in it, which are left as they stand and never expanded', () => {
    const bomb = `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>`;
    const text = `${bomb}<robot name="&b;"><link name="eef_link" /></robot>`;
    expect(parseUrdf(text, 'my.urdf').name).toBe('&b;');
  });

  it('whatever the bytes are, with an error that names the file', () => {
    const words = fc.constantFrom(
      '<robot',
      '<link ',
      'name="a"',
      '/>',
      '>',
      '</robot>',
      '<joint',
      'xyz="1"',
      '&',
      '"',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string()), { maxLength: 30 }), (parts) => {
        try {
          parseUrdf(parts.join(' '), 'my.urdf');
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(MyelinError);
          expect((thrown as MyelinError).message).toContain('my.urdf');
        }
      }),
    );
  });

  it('when the file is not there, or is a folder', () => {
    expect(() => readUrdf('/nowhere/arm.urdf')).toThrow(/\/nowhere\/arm\.urdf does not exist/);
    expect(() => readUrdf('/')).toThrow(/The arm description \/ cannot be used/);
  });
});
