import { rmSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pidNamespace } from '../platform/process.ts';
import { ArmSegment } from './arm-segment.ts';
import { commanderId, commanderMayLive } from './commander-id.ts';

const name = `myelin_test_commander_${process.pid}`;
const ELSEWHERE = 1;

describe('a commander', () => {
  let segment: ArmSegment;
  beforeAll(() => {
    segment = ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'none' });
  });
  beforeEach(() => {
    segment.fields.pidNamespace = pidNamespace();
  });
  afterAll(() => {
    segment.unlink();
    segment.close();
    rmSync(`/dev/shm/${name}`, { force: true });
  });

  it('is its process id where processes are counted as the control process counts them', () => {
    expect(commanderId(segment, {})).toBe(process.pid);
    segment.fields.pidNamespace = 0;
    expect(commanderId(segment, {})).toBe(process.pid);
  });

  it('is what it was told by whoever put it into a namespace, if that can be an id', () => {
    expect(commanderId(segment, { MYELIN_COMMANDER: '4242' })).toBe(4242);
    for (const wrong of ['', '0', '-1', '1e3', '4294967296', ' 7', 'x']) {
      expect(commanderId(segment, { MYELIN_COMMANDER: wrong }), wrong).toBe(process.pid);
    }
  });

  it.skipIf(pidNamespace() === 0)(
    "is nobody's process id in a foreign namespace, the same at every call (skipped where namespaces have no names)",
    () => {
      segment.fields.pidNamespace = ELSEWHERE;
      const id = commanderId(segment, {});
      expect(id).toBeGreaterThanOrEqual(2 ** 31);
      expect(id).toBeLessThan(2 ** 32);
      expect(commanderId(segment, {})).toBe(id);
      expect(commanderMayLive(segment, id)).toBe(true);
      expect(commanderMayLive(segment, 2 ** 22 + 1)).toBe(true);
    },
  );

  it('is known to be dead only by a process id of the same namespace', () => {
    expect(commanderMayLive(segment, process.pid)).toBe(true);
    expect(commanderMayLive(segment, 2 ** 22 + 1)).toBe(false);
    expect(commanderMayLive(segment, 2 ** 31)).toBe(true);
  });
});
