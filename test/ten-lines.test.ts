import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { proveMotion } from '../src/cli/self-test/motion-faults.ts';
import { SimulatedArm } from '../src/cli/self-test/simulated-arm.ts';
import { start } from './support/processes.ts';

const python = spawnSync('python3', ['--version']).status === 0;
if (!python) console.log('ten-lines: skipped, there is no python3 on this machine');

/** A script that knows only the published table of the first page, against a real control process. */
describe.skipIf(!python)('ten lines of Python', () => {
  let arm: SimulatedArm;
  beforeAll(async () => {
    arm = await SimulatedArm.start({ control: ['--feedback-timeout', '0.5'] });
  });
  afterAll(() => arm.close());

  it('read the state and move the arm, within its limits', async () => {
    const before = Array.from(arm.read().position.subarray(0, 7));
    const script = start(['python3', 'examples/ten_lines.py', arm.name]);
    expect(await script.exited, script.output()).toBe(0);
    const after = Array.from(arm.read().position.subarray(0, 7));
    const moved = Math.max(...after.map((q, joint) => Math.abs(q - (before[joint] ?? 0))));
    expect(moved).toBeGreaterThan(0.02);
    expect(proveMotion(arm.tracePath).faults).toEqual([]);
  });
});
