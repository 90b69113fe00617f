import { rmSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { Request } from '../core/control-state.ts';
import type { MyelinError } from '../core/errors.ts';
import { SharedMemory } from '../platform/shared-memory.ts';
import { ArmSegment, createArmSnapshot } from './arm-segment.ts';
import { inspectSegment, listSegments } from './owned-segment.ts';

const name = `myelin_test_arm_${process.pid}`;
const options = { dof: 7, model: 'X5', interfaceName: 'can0' };
const failure = (run: () => unknown): MyelinError => {
  try {
    run();
  } catch (error) {
    return error as MyelinError;
  }
  throw new Error('did not fail');
};

describe('ArmSegment', () => {
  afterEach(() => rmSync(`/dev/shm/${name}`, { force: true }));

  it('says who made it, for which arm', () => {
    using _segment = ArmSegment.create(name, options);
    using reader = ArmSegment.open(name, { readOnly: true });
    const { version, model, interfaceName, dof, controlPid } = reader.fields;
    expect({ version, model, interfaceName, dof, controlPid }).toEqual({
      version: 1,
      ...options,
      controlPid: process.pid,
    });
    expect([reader.ownerAlive, reader.current]).toEqual([true, true]);
  });

  it('hands a whole tick to readers, and nothing while one is being written', () => {
    using segment = ArmSegment.create(name, options);
    using reader = ArmSegment.open(name, { readOnly: true });
    const snapshot = createArmSnapshot();
    segment.beginState();
    segment.fields.controlState = 1;
    segment.fields.position[6] = 0.04;
    segment.fields.motorFault[15] = 9;
    expect(reader.readState(snapshot)).toBe(false);
    segment.endState();
    expect(reader.readState(snapshot)).toBe(true);
    expect([snapshot.controlState, snapshot.position[6], snapshot.motorFault[15], snapshot.model]).toEqual([
      1,
      0.04,
      9,
      'X5',
    ]);
    segment.fields.position[6] = 1;
    expect(snapshot.position[6]).toBe(0.04);
  });

  it('goes on after a write that was cut short', () => {
    using segment = ArmSegment.create(name, options);
    const snapshot = createArmSnapshot();
    segment.beginState();
    segment.beginState();
    expect(segment.readState(snapshot)).toBe(false);
    segment.endState();
    expect(segment.readState(snapshot)).toBe(true);
  });

  it('loses no request, whoever sets it when', () => {
    using segment = ArmSegment.create(name, options);
    using peer = ArmSegment.open(name);
    const bits = fc.constantFrom(...Object.values(Request));
    fc.assert(
      fc.property(fc.array(fc.oneof(bits, fc.constant('take' as const))), (steps) => {
        let expected = 0;
        for (const step of steps) {
          if (step === 'take') {
            expect(segment.takeRequests()).toBe(expected);
            expected = 0;
          } else {
            peer.request(step);
            expected |= step;
          }
        }
        expect(segment.takeRequests()).toBe(expected);
      }),
    );
  });

  it('keeps a stop even when a careless script overwrites the request word of the first page', () => {
    using segment = ArmSegment.create(name, options);
    segment.request(Request.STOP);
    segment.fields.requests = Request.START;
    expect(segment.takeRequests()).toBe(Request.STOP | Request.START);
    segment.fields.requests = Request.STOP;
    expect(segment.takeRequests()).toBe(Request.STOP);
    expect(segment.takeRequests()).toBe(0);
  });

  it('refuses a name whose owner lives, and takes over one whose owner is gone', () => {
    const first = ArmSegment.create(name, options);
    const error = failure(() => ArmSegment.create(name, options));
    expect([error.code, error.parameters.pid]).toEqual(['SEGMENT_IN_USE', process.pid]);
    using reader = ArmSegment.open(name, { readOnly: true });
    first.close();
    expect([reader.ownerAlive, reader.current]).toEqual([false, true]);
    using second = ArmSegment.create(name, options);
    expect([second.ownerAlive, reader.ownerAlive, reader.current]).toEqual([true, false, false]);
    second.unlink();
  });

  it('refuses another layout version and a file that is not ours, touching neither', () => {
    const other = ArmSegment.create(name, options);
    other.fields.version = 99;
    expect(failure(() => ArmSegment.open(name)).message).toBe(
      `The segment "${name}" has layout 99, this program speaks layout 1`,
    );
    expect(inspectSegment(name)?.version).toBe(99);
    other.unlink();
    other.close();
    for (const content of ['', 'hello', Buffer.alloc(200_000)]) {
      writeFileSync(`/dev/shm/${name}`, content);
      expect(failure(() => ArmSegment.create(name, options)).code).toBe('SEGMENT_FOREIGN');
      expect(SharedMemory.list()).toContain(name);
      expect(inspectSegment(name)).toBeUndefined();
    }
  });

  it('is listed while it exists, and not after its owner removed it', () => {
    const segment = ArmSegment.create(name, options);
    expect(listSegments().find((entry) => entry.name === name)?.alive).toBe(true);
    segment.unlink();
    segment.close();
    expect(listSegments().find((entry) => entry.name === name)).toBeUndefined();
  });
});
