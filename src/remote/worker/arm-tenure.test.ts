import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlState, Request } from '../../core/control-state.ts';
import { ArmSegment } from '../../segment/arm-segment.ts';
import { ArmTenure } from './arm-tenure.ts';

const name = `myelin_test_tenure_${process.pid}`;
const PROJECT = 4242;

describe('the tenure of a project', () => {
  let segment: ArmSegment;
  const problems: string[] = [];
  const tenure = new ArmTenure(name, (error) => problems.push(error.code));
  beforeEach(() => {
    problems.length = 0;
    segment = ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'none' });
    segment.fields.leaseOwner = PROJECT;
  });
  afterEach(() => {
    segment.unlink();
    segment.close();
  });

  it('ends with a pause of an arm that may move, and with the lease free', () => {
    segment.fields.controlState = ControlState.RUNNING;
    expect(tenure.end(PROJECT)).toBe(true);
    expect([segment.takeRequests(), segment.fields.leaseOwner]).toEqual([Request.PAUSE, 0]);
  });

  it('ends without a request where nothing moves', () => {
    segment.fields.controlState = ControlState.PAUSED;
    expect(tenure.end(PROJECT)).toBe(true);
    expect([segment.takeRequests(), segment.fields.leaseOwner]).toEqual([0, 0]);
  });

  it("of somebody else is left alone, and so is that one's motion", () => {
    segment.fields.controlState = ControlState.RUNNING;
    expect(tenure.end(PROJECT + 1)).toBe(false);
    expect([segment.takeRequests(), segment.fields.leaseOwner]).toEqual([0, PROJECT]);
  });

  it('is nothing where there is no arm, and tells when the arm cannot be reached', () => {
    const told = (error: { code: string }) => problems.push(error.code);
    expect(new ArmTenure(undefined, told).end(PROJECT)).toBe(false);
    expect(new ArmTenure('myelin_test_no_such_arm', told).end(PROJECT)).toBe(false);
    expect(problems).toEqual([]);
    segment.fields.version = 99;
    expect(tenure.end(PROJECT)).toBe(false);
    expect(problems).toEqual(['SEGMENT_VERSION']);
  });
});
