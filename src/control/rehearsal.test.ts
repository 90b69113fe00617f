import { describe, expect, it } from 'vitest';
import { armDescription, loadKinematics } from '../arms/catalogue.ts';
import { SharedMemory } from '../platform/shared-memory.ts';
import { parseControlConfig } from './control-config.ts';
import { rehearse } from './rehearsal.ts';

describe('the rehearsal', () => {
  it.each(['X5', 'L5'] as const)('plays every state of an %s and leaves nothing behind', (model) => {
    const description = armDescription(model);
    const name = `rehearsal_test_${process.pid}`;
    const seen = rehearse(description, loadKinematics(description), parseControlConfig({}, 'test'), name);
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 5]);
    expect(SharedMemory.list()).not.toContain(name);
  });
});
