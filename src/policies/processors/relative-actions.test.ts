import { describe, expect, it } from 'vitest';
import { makeBatch } from './batch.ts';
import { absoluteActionsStep, relativeActionsStep } from './relative-actions.ts';

const relative = (config: object) =>
  relativeActionsStep({ registry_name: 'relative_actions_processor', config: { ...config } }, 'before.json');
const absolute = (enabled = true) =>
  absoluteActionsStep({ registry_name: 'absolute_actions_processor', config: { enabled } }, 'after.json');

const batchOf = (state: number[], actions: number[], actionLength: number) =>
  makeBatch({
    actionLength,
    vectors: new Map([
      ['observation.state', Float64Array.from(state)],
      ['action', Float64Array.from(actions)],
    ]),
  });
const names = { action_names: ['joint_0.pos', 'Gripper.pos'], exclude_joints: ['gripper'] };

describe('actions that count from the state', () => {
  it('lose it before the model, each row, but for axes that stay absolute', async () => {
    const batch = batchOf([10, 20, 30], [11, 21, 12, 22], 2);
    (await relative({ enabled: true, ...names })).apply(batch);
    expect([...(batch.vectors.get('action') ?? [])]).toEqual([1, 21, 2, 22]);
  });

  it('get it back after the model, as it was when they were asked for', async () => {
    const seen = batchOf([10, 20], [], 2);
    (await relative({ enabled: true, ...names })).apply(seen);
    seen.vectors.get('observation.state')?.fill(0);
    const answer = makeBatch({
      actionLength: 2,
      vectors: new Map([['action', Float64Array.of(1, 21, 2, 22)]]),
      notes: seen.notes,
    });
    (await absolute()).apply(answer);
    expect([...(answer.vectors.get('action') ?? [])]).toEqual([11, 21, 12, 22]);
  });

  it('all count from it when no names are known', async () => {
    const batch = batchOf([10, 20], [11, 21], 2);
    (await relative({ enabled: true, exclude_joints: ['gripper'], action_names: null })).apply(batch);
    expect([...(batch.vectors.get('action') ?? [])]).toEqual([1, 1]);
  });

  it('are left alone when the steps are off', async () => {
    const batch = batchOf([10], [11], 1);
    (await relative({ enabled: false })).apply(batch);
    (await absolute(false)).apply(batch);
    expect([...(batch.vectors.get('action') ?? [])]).toEqual([11]);
  });

  it('are refused without a step that noted the state, or with too short a state', async () => {
    const step = await absolute();
    expect(() => step.apply(batchOf([1], [1], 1))).toThrow(/no enabled relative_actions_processor/);
    const before = await relative({ enabled: true });
    expect(() => before.apply(batchOf([1], [1, 2], 2))).toThrow(/need a state as long/);
  });
});
