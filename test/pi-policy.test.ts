import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Observation } from '../src/core/observation.ts';
import type { CheckpointPolicy } from '../src/policies/checkpoint-policy.ts';
import { openPolicy } from '../src/policies/open-policy.ts';
import type { InferOptions } from '../src/policies/policy.ts';
import { subtaskTemplate } from '../src/policies/subtask/template.ts';
import { type Config, observe, piCheckpoint, type Reference, read } from './support/pi-checkpoints.ts';

const root = mkdtempSync(join(tmpdir(), 'myelin-pi-policy-'));
const NAME = 'pi05-subtasks';
const { seed } = read<Reference>(NAME, 'reference.json');
const config = read<Config>(NAME, 'config.json');
let policy: CheckpointPolicy;
beforeAll(async () => {
  policy = await openPolicy(await piCheckpoint(root, NAME));
});
afterAll(async () => {
  await policy.close();
  rmSync(root, { recursive: true, force: true });
});

const see = (step: number, task = 'clean the table') => observe(seed, config, { task, step, expected: {} });

/** The stages an inference runs, each named once. */
async function stagesOf(observation: Observation, options: InferOptions = {}) {
  const stages = new Set<string>();
  const { actions } = await policy.infer(observation, {
    seed: 1,
    ...options,
    onStage: (stage) => stages.add(stage),
  });
  return { actions, stages: [...stages].filter((stage) => !stage.endsWith('process')) };
}

describe('a pi05 policy', () => {
  it('says what it needs: cameras of any size, none of them indispensable, and that it answers in words', () => {
    expect(policy.spec.cameras).toEqual([
      { name: 'top', optional: true },
      { name: 'left_wrist', optional: true },
    ]);
    expect(policy.spec).toMatchObject({ subtasks: true, chunkRows: 6, actionSteps: 4 });
  });

  it('looks at a picture again only when it changed, and reads the prompt again only then', async () => {
    const first = await stagesOf(see(0));
    expect(first.stages).toEqual(['vision 1', 'vision 2', 'prefix', 'modulation', 'denoise step']);
    const again = await stagesOf(see(0));
    expect(again.stages).toEqual(['denoise step']);
    expect(again.actions).toEqual(first.actions);

    const changed = see(0);
    const top = see(5).cameras.get('top');
    const cameras = new Map(changed.cameras).set('top', top as NonNullable<typeof top>);
    expect((await stagesOf({ ...changed, cameras })).stages).toEqual(['vision 1', 'prefix', 'denoise step']);
    expect((await stagesOf({ ...changed, cameras, task: 'wipe it' })).stages).toEqual([
      'prefix',
      'denoise step',
    ]);
  });

  it('notices a change inside the same buffer, as cameras use theirs again', async () => {
    const observation = see(1);
    const before = await stagesOf(observation);
    observation.cameras.get('top')?.rgb.fill(0);
    const after = await stagesOf(observation);
    expect(after.stages).toContain('vision 1');
    expect(after.actions).not.toEqual(before.actions);
  });

  it('computes the modulations of other step counts once each time they change', async () => {
    await stagesOf(see(2), { flowSteps: 3 });
    expect((await stagesOf(see(2), { flowSteps: 3 })).stages).toEqual(['denoise step']);
    expect((await stagesOf(see(2), { flowSteps: 7 })).stages).toEqual(['modulation', 'denoise step']);
  });

  it('acts on a subtask in place of the task', async () => {
    const plain = await stagesOf(see(3, 'take the cup'));
    const told = await stagesOf(see(3, 'tidy up'), { subtask: { text: 'take the cup' } });
    expect(told.actions).toEqual(plain.actions);
    expect((await stagesOf(see(3, 'tidy up'))).actions).not.toEqual(plain.actions);
  });

  it('draws the same words from the same seed, and other words from another', async () => {
    const draw = (drawn: number) =>
      policy.generateSubtask?.(see(4), { maxDecodingSteps: 8, temperature: 1, seed: drawn });
    const [one, same, other] = [await draw(1), await draw(1), await draw(2)];
    expect(same).toEqual(one);
    expect(other?.tokens).not.toEqual(one?.tokens);
  });

  it('stops between steps and tokens when told to, and answers as before afterwards', async () => {
    const expected = await stagesOf(see(6));
    for (const stage of ['vision 1', 'prefix', 'denoise step']) {
      const abort = new AbortController();
      const fresh = see(6);
      fresh.cameras.get('top')?.rgb.fill(stage.length);
      const stopped = policy.infer(fresh, {
        seed: 1,
        signal: abort.signal,
        onStage: (ended) => ended === stage && abort.abort(),
      });
      await expect(stopped).rejects.toThrow(/abort/i);
    }
    const abort = new AbortController();
    const words: number[] = [];
    const asked = policy.generateSubtask?.(see(6), {
      maxDecodingSteps: 50,
      temperature: 0,
      signal: abort.signal,
      onToken: (token) => {
        words.push(token);
        if (words.length === 3) abort.abort();
      },
    });
    await expect(asked).rejects.toThrow(/abort/i);
    expect(words).toHaveLength(3);
    expect((await stagesOf(see(6))).actions).toEqual(expected.actions);
  });

  it('wants one camera at least', async () => {
    await expect(policy.infer({ ...see(7), cameras: new Map() })).rejects.toMatchObject({
      code: 'OBSERVATION_MISMATCH',
    });
  });

  it('goes on from its own words, from words of the caller, and from another subtask of the same prompt', async () => {
    const folder = await piCheckpoint(root, NAME);
    const own = await openPolicy(folder, { subtaskTemplate: subtaskTemplate('task-subtask-action') });
    try {
      const observation = see(8);
      const act = async (subtask: InferOptions['subtask']) =>
        (await own.infer(observation, { seed: 1, ...(subtask === undefined ? {} : { subtask }) })).actions;
      const subtask = await own.generateSubtask?.(observation, { maxDecodingSteps: 5, temperature: 0 });
      const continued = await act(subtask);
      const other = await act({ text: 'take the cup' });
      expect(other).not.toEqual(continued);
      expect(await act(subtask)).toEqual(continued);
      own.reset();
      await own.infer(see(9), { seed: 1 });
      expect(await act(subtask)).toEqual(continued);
    } finally {
      await own.close();
    }
  });
});
