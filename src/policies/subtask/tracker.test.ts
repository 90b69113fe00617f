import { describe, expect, it } from 'vitest';
import type { Observation } from '../../core/observation.ts';
import { SubtaskTracker } from './tracker.ts';

const observe = (task: string): Observation => ({
  timestep: 0,
  timestampNs: 0,
  state: new Float64Array(0),
  velocity: new Float64Array(0),
  cameras: new Map(),
  task,
  objects: new Map(),
});

function track(answers: string[], refreshMs?: number) {
  const clock = { ms: 1000 };
  const generateSubtask = () => Promise.resolve({ text: answers.shift() ?? '', tokens: [7] });
  const options = { maxDecodingSteps: 25, temperature: 0 };
  const tracker = new SubtaskTracker({
    policy: { generateSubtask },
    options,
    refreshMs,
    now: () => clock.ms,
  });
  return { tracker, clock };
}

describe('the subtask in force', () => {
  it('is asked for when the task is new, and not again without a refresh time', async () => {
    const { tracker, clock } = track(['take the cup', 'put it down']);
    expect((await tracker.update(observe('tidy')))?.current?.text).toBe('take the cup');
    clock.ms += 1e9;
    expect(await tracker.update(observe('tidy'))).toBeUndefined();
    expect((await tracker.update(observe('cook')))?.current?.text).toBe('put it down');
  });

  it('is asked for again when the refresh time is over', async () => {
    const { tracker, clock } = track(['take the cup', 'put it down'], 2000);
    await tracker.update(observe('tidy'));
    clock.ms += 1999;
    expect(await tracker.update(observe('tidy'))).toBeUndefined();
    clock.ms += 1;
    expect((await tracker.update(observe('tidy')))?.current?.text).toBe('put it down');
  });

  it('stays when the answer is not fit, and says why', async () => {
    const { tracker } = track(['take the cup', '<loc0003>']);
    await tracker.refresh(observe('tidy'));
    const update = await tracker.refresh(observe('tidy'));
    expect(update).toMatchObject({ current: { text: 'take the cup' }, answered: { text: '<loc0003>' } });
    expect(update.fault).toContain('<loc0003>');
  });

  it('is not kept over to another task', async () => {
    const { tracker } = track(['take the cup', '']);
    await tracker.refresh(observe('tidy'));
    expect((await tracker.refresh(observe('cook'))).current).toBeUndefined();
    expect(tracker.current).toBeUndefined();
  });

  it('stays when asking fails, and is forgotten on reset', async () => {
    const policy = { generateSubtask: () => Promise.reject(new Error('out of memory')) };
    const { tracker } = track(['take the cup']);
    await tracker.refresh(observe('tidy'));
    tracker.reset();
    expect(tracker.current).toBeUndefined();
    expect(tracker.isDue('tidy')).toBe(true);
    const failing = new SubtaskTracker({
      policy,
      options: { maxDecodingSteps: 1, temperature: 0 },
      now: () => 0,
    });
    await expect(failing.refresh(observe('tidy'))).rejects.toThrow('out of memory');
  });
});
