import { afterEach, describe, expect, it } from 'vitest';
import { ErrorBit } from '../core/control-state.ts';
import { EventCode, FaultKind } from './event-codes.ts';
import { HoldReason } from './limit-bits.ts';
import { type LockStep, MotorFault } from './lock-step.ts';
import { LockSteps } from './lock-steps.ts';

const arms = new LockSteps();
const lockStep = arms.make;
afterEach(() => arms.close());

describe('faults', () => {
  const faults: readonly (readonly [string, number, number, (s: LockStep) => void])[] = [
    [
      'a silent motor',
      FaultKind.FEEDBACK_LOST,
      ErrorBit.COMMUNICATION,
      (s) => s.arm.silentSinceNs.fill(s.nowNs, 2, 3),
    ],
    [
      'a fault of a motor',
      FaultKind.MOTOR,
      ErrorBit.HARDWARE,
      (s) => s.arm.faults.fill(MotorFault.OVERLOAD, 1, 2),
    ],
    ['heat', FaultKind.OVER_TEMPERATURE, ErrorBit.OVER_TEMPERATURE, (s) => s.arm.temperatureC.fill(95, 4, 5)],
    ['too much torque', FaultKind.OVER_TORQUE, ErrorBit.OVER_TORQUE, (s) => s.arm.extraTorque.fill(99, 5, 6)],
    [
      'a joint that does not follow',
      FaultKind.TRACKING,
      ErrorBit.TRACKING,
      (s) => s.arm.blockedBelow.fill(0.52, 0, 1),
    ],
    [
      'a joint far outside its range',
      FaultKind.OUTSIDE,
      ErrorBit.SAFETY,
      (s) => s.arm.blockedBelow.fill(9, 3, 4),
    ],
  ];
  it.each(faults)('%s stops the arm, and frames go on', (_name, kind, bit, cause) => {
    const s = lockStep();
    s.start();
    s.send(s.homeWith({ 0: 0.2 }), 60);
    s.run(0.3, () => s.beat());
    cause(s);
    s.until(() => {
      s.beat();
      return s.state === 'EMERGENCY_STOP' || s.state === 'DAMPING';
    }, 1);
    expect(s.events.find(({ code }) => code === EventCode.FAULT)?.detail).toBe(kind);
    expect(s.segment.fields.errors & bit).toBe(bit);
    const frames = s.arm.written + s.arm.damped;
    s.until(() => s.controller.finished);
    expect(s.arm.written + s.arm.damped).toBeGreaterThanOrEqual(frames + 500);
    expect(s.state).toBe('DAMPING');
  });

  it('a silent motor is a fault in the tick in which it is too old, with no braking on blind motors', () => {
    const s = lockStep();
    s.start();
    s.arm.silentSinceNs[2] = s.nowNs;
    s.until(() => s.state !== 'RUNNING');
    expect(s.state).toBe('DAMPING');
    expect(s.scalar('feedbackAgeMaxNs')).toBe(0.102e9);
  });

  it('a short gap of feedback holds the arm and goes by', () => {
    const s = lockStep();
    s.start();
    s.send(s.homeWith({ 0: 0.5 }), 60);
    s.run(0.2, () => s.beat());
    s.arm.silentSinceNs[2] = s.nowNs;
    s.run(0.05, () => s.beat());
    expect(s.scalar('holdReason')).toBe(HoldReason.NO_FEEDBACK);
    s.arm.silentSinceNs[2] = Number.POSITIVE_INFINITY;
    s.send(s.homeWith({ 0: 0.5 }), 60);
    s.run(1, () => s.beat());
    expect(s.state).toBe('RUNNING');
    expect(s.vector('commandedPosition')[0]).toBeCloseTo(0.5, 3);
  });

  it('a warm motor is told before it is a fault', () => {
    const s = lockStep();
    s.arm.temperatureC[1] = 75;
    s.start();
    expect(s.state).toBe('RUNNING');
    expect(s.segment.fields.errors & ErrorBit.OVER_TEMPERATURE).toBe(ErrorBit.OVER_TEMPERATURE);
  });
});
