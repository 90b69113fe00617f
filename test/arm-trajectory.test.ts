import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { armDescription } from '../src/arms/catalogue.ts';
import { brakeRows, minimumJerkRows, type PlannedRows } from '../src/core/motion/planned-rows.ts';

/** Pythons of this machine, the oldest that is promised first. */
const pythons = ['python3.8', 'python3'].filter(
  (program) => spawnSync(program, ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))']).status === 0,
);
const compiler = spawnSync('g++', ['--version']).status === 0;
if (pythons.length === 0) console.log('arm-trajectory: Python is skipped, there is none on this machine');
if (!compiler) console.log('arm-trajectory: C++ is skipped, there is no g++ on this machine');

const { limits } = armDescription('X5');
const within = (low: ArrayLike<number>, high: ArrayLike<number>) =>
  fc.tuple(
    ...Array.from(low, (min, i) => fc.double({ min, max: high[i] as number, noNaN: true })),
  ) as fc.Arbitrary<number[]>;
const speeds = Array.from(limits.velocityMax);
const pose = within(limits.positionMin, limits.positionMax);
const cases = fc.sample(
  fc.record({
    start: pose,
    target: pose,
    velocity: within(
      speeds.map((v) => -v),
      speeds,
    ),
    seconds: fc.double({ min: 0, max: 20, noNaN: true }),
  }),
  { numRuns: 50, seed: 7 },
);
const input = cases
  .map((one) => JSON.stringify({ ...one, limits: mapped((values) => Array.from(values)) }))
  .join('\n');

function mapped<T>(change: (values: ArrayLike<number>) => T) {
  const { positionMin, positionMax, velocityMax, accelerationMax, jerkMax } = limits;
  return {
    positionMin: change(positionMin),
    positionMax: change(positionMax),
    velocityMax: change(velocityMax),
    accelerationMax: change(accelerationMax),
    jerkMax: change(jerkMax),
  };
}

function planned(command: readonly string[], env: NodeJS.ProcessEnv = {}): PlannedRows[] {
  const [program = '', ...args] = command;
  const { stdout, stderr, status } = spawnSync(program, args, {
    input: `${input}\n`,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 2 ** 28,
  });
  expect(status, stderr).toBe(0);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as PlannedRows);
}

/** What TypeScript plans, whose properties are proven beside it; the target must be met to the bit. */
function expectTheSame(others: readonly PlannedRows[]): void {
  expect(others).toHaveLength(2 * cases.length);
  cases.forEach(({ start, target, velocity, seconds }, index) => {
    const pairs = [
      [minimumJerkRows(start, target, limits, seconds), others[2 * index]],
      [brakeRows(start, velocity, limits), others[2 * index + 1]],
    ] as const;
    for (const [mine, other] of pairs) {
      expect(other?.rows).toHaveLength(mine.rows.length);
      expect(other?.periodS).toBeCloseTo(mine.periodS, 12);
      mine.rows.forEach((row, k) => {
        row.forEach((value, i) => {
          expect(other?.rows[k]?.[i]).toBeCloseTo(value, 12);
        });
      });
    }
    expect(others[2 * index]?.rows.at(-1)).toEqual(JSON.parse(JSON.stringify(target)));
  });
}

describe('the rows of moves', () => {
  const folder = mkdtempSync(join(tmpdir(), 'myelin-plan-'));
  const program = join(folder, 'plan');
  beforeAll(() => {
    if (!compiler) return;
    const source = 'test/support/plan-rows.cpp';
    const flags = ['-std=c++17', '-Wall', '-Wextra', '-Werror', '-pthread', '-I', 'cpp'];
    const { status, stderr } = spawnSync('g++', [...flags, source, '-o', program], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(pythons)('are those of TypeScript in %s', (python) => {
    const env = { PYTHONPATH: resolve('python'), PYTHONDONTWRITEBYTECODE: '1' };
    expectTheSame(planned([python, 'test/support/plan_rows.py'], env));
  });

  it.skipIf(!compiler)('are those of TypeScript in C++', () => {
    expectTheSame(planned([program]));
  });
});
