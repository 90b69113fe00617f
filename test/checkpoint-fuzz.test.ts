import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { CheckpointFuzz } from './support/checkpoint-fuzz.ts';

/** `test/soak/checkpoints.test.ts` runs a hundred thousand. */
const CASES = 2500;
const LOADED = 40;
const MOST_MEMORY_MIB = 1500;

const root = mkdtempSync(join(tmpdir(), 'myelin-fuzz-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

it('a damaged checkpoint opens or is refused clearly, in bounded memory', async () => {
  const fuzz = await CheckpointFuzz.create(root, 1);
  let opened = 0;
  for (let number = 0; number < CASES; number++) {
    const outcome = await fuzz.run(number, number < LOADED);
    if (outcome.fault !== undefined)
      throw new Error(`case ${number}: ${outcome.name}`, { cause: outcome.fault });
    if (outcome.opened) opened++;
  }
  // Both happen often, or the changes were too small or too large to find anything.
  expect(opened).toBeGreaterThan(CASES / 30);
  expect(opened).toBeLessThan(CASES / 2);
  expect(process.resourceUsage().maxRSS / 1024).toBeLessThan(MOST_MEMORY_MIB);
}, 240_000);
