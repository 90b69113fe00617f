import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { CheckpointFuzz } from '../support/checkpoint-fuzz.ts';

/** `test/checkpoint-fuzz.test.ts`, a hundred thousand times; set MYELIN_SOAK_SEED to draw other changes. */
const CASES = 100_000;
/** Every so many, the network is loaded too. */
const LOAD_EVERY = 200;
const SEED = Number(process.env.MYELIN_SOAK_SEED ?? 1);
const MOST_MEMORY_MIB = 2000;

const root = mkdtempSync(join(tmpdir(), 'myelin-fuzz-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

it(`${CASES} damaged checkpoints open or are refused clearly, in bounded memory (seed ${SEED})`, async () => {
  const fuzz = await CheckpointFuzz.create(root, SEED);
  const faults: string[] = [];
  for (let number = 0; number < CASES; number++) {
    const { name, fault } = await fuzz.run(number, number % LOAD_EVERY === 0);
    if (fault !== undefined)
      faults.push(`case ${number}, ${name}: ${fault instanceof Error ? fault.stack : String(fault)}`);
  }
  expect(faults).toEqual([]);
  expect(process.resourceUsage().maxRSS / 1024).toBeLessThan(MOST_MEMORY_MIB);
});
