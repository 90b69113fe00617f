import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlState, Request } from '../core/control-state.ts';
import { ArmSegment } from '../segment/arm-segment.ts';
import { RequestDesk } from './request-desk.ts';

const name = `myelin_test_desk_${process.pid}`;
const { START, PAUSE, RESET, STOP } = Request;

describe('the request desk', () => {
  let segment: ArmSegment;
  let desk: RequestDesk;
  beforeEach(() => {
    segment = ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'none' });
    desk = new RequestDesk(segment);
  });
  afterEach(() => {
    segment.unlink();
    segment.close();
    rmSync(`/dev/shm/${name}`, { force: true });
  });

  it('hands out a request once, counts it and remembers that it was taken', () => {
    segment.request(START);
    expect(desk.take(ControlState.IDLE)).toBe('start');
    expect([desk.taken, desk.acknowledged]).toEqual([START, START]);
    expect(desk.take(ControlState.RUNNING)).toBeUndefined();
    expect([desk.taken, desk.acknowledged]).toEqual([0, START]);
    expect([...desk.handled]).toEqual([1, 0, 0, 0]);
  });

  it('refuses what the state does not allow, and counts that too', () => {
    segment.request(PAUSE);
    expect(desk.take(ControlState.IDLE)).toBeUndefined();
    expect([desk.refusedNow, ...desk.refused]).toEqual([PAUSE, 0, 1, 0, 0]);
    desk.take(ControlState.IDLE);
    expect(desk.refusedNow).toBe(0);
  });

  it('carries out the calmest of several and refuses the others', () => {
    segment.request(START | RESET | PAUSE);
    expect(desk.take(ControlState.RUNNING)).toBe('pause');
    expect(desk.refusedNow).toBe(START | RESET);
    segment.request(START | PAUSE | STOP);
    expect(desk.take(ControlState.RUNNING)).toBe('stop');
    expect([...desk.handled]).toEqual([0, 1, 0, 1]);
  });

  it('does not start an arm because the pause that came with it is refused', () => {
    segment.request(START | PAUSE);
    expect(desk.take(ControlState.IDLE)).toBeUndefined();
    expect(desk.refusedNow).toBe(START | PAUSE);
  });

  it('takes a stop in every state', () => {
    for (const state of Object.values(ControlState)) {
      segment.request(STOP);
      expect(desk.take(state)).toBe('stop');
    }
  });

  it('passes over bits that mean nothing', () => {
    segment.request(0x100);
    expect(desk.take(ControlState.IDLE)).toBeUndefined();
    expect([desk.taken, desk.acknowledged]).toEqual([0, 0]);
  });
});
