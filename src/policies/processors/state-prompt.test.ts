import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { makeBatch } from './batch.ts';
import { Pipeline } from './pipeline.ts';
import { STATE_BINS, stateBins } from './state-prompt.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-state-prompt-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const STEP = 'pi05_prepare_state_tokenizer_processor_step';
const RELATIVE = { registry_name: 'relative_actions_processor', config: { enabled: false } };

async function prompt(task: string, state: number[], config: object, others: object[] = [RELATIVE]) {
  const file = join(folder, 'policy_preprocessor.json');
  writeFileSync(file, JSON.stringify({ name: 'x', steps: [...others, { registry_name: STEP, config }] }));
  const batch = makeBatch({ task, vectors: new Map([['observation.state', Float64Array.from(state)]]) });
  (await Pipeline.open(file)).apply(batch);
  return batch;
}

describe('the state as words', () => {
  it('is written in bins behind the task, which is tidied', async () => {
    const { task, notes } = await prompt(' pick_up\nthe cube ', [-1, 0, 0.999, 1, 7, -1.001], {});
    expect(task).toBe('Task: pick up the cube, State: 0 128 255 255 255 -1;\nAction: ');
    expect([...(notes.get(STATE_BINS) ?? [])]).toEqual([0, 128, 255, 255, 255, -1]);
  });

  it('is left out where the checkpoint says so', async () => {
    const { task } = await prompt('go', [0], { include_state_in_prompt: false });
    expect(task).toBe('Task: go;\nAction: ');
  });

  it('is filled up with zeros in files of the version that did so', async () => {
    const { task } = await prompt('go', [0.5], { max_state_dim: 4 }, []);
    expect(task).toBe('Task: go, State: 192 128 128 128;\nAction: ');
  });

  it('is demanded', async () => {
    const file = join(folder, 'alone.json');
    writeFileSync(file, JSON.stringify({ name: 'x', steps: [{ registry_name: STEP, config: {} }] }));
    const pipeline = await Pipeline.open(file);
    expect(() => pipeline.apply(makeBatch())).toThrow(/needs a state|a state, which/);
  });

  it('falls into bins as numpy counts the edges at or below it', () => {
    fc.assert(
      fc.property(fc.float({ min: -2, max: 2, noNaN: true }), (value) => {
        const edges = Array.from({ length: 256 }, (_, i) => -1 + i / 128);
        const expected = edges.filter((edge) => edge <= value).length - 1;
        expect(stateBins(Float64Array.of(value))).toEqual([expected]);
      }),
    );
  });
});
