import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EncosMotor } from './encos-motor.ts';
import type { MotorLaw } from './motor.ts';
import { EC_A4310 } from './motor-data.ts';
import { fromWire, toWire } from './quantise.ts';
import { Thermal } from './thermal.ts';

describe('torque limits', () => {
  const limits = (velocityRadS: number) => {
    const motor = new EncosMotor({ joint: 'joint1', canId: 1, data: EC_A4310 });
    motor.moved(0, velocityRadS, 0, 0.001, 0);
    const law: MotorLaw = { offsetNm: 0, kp: 0, kd: 0, lowNm: 0, highNm: 0 };
    motor.law(0, law);
    return [law.lowNm, law.highNm];
  };

  it('are the peak torque at rest, and none in the direction of the no-load speed', () => {
    expect(limits(0)).toEqual([-36, 36]);
    expect(limits(EC_A4310.noLoadSpeedRadS)).toEqual([-36, 0]);
    expect(limits(-EC_A4310.noLoadSpeedRadS)[0]).toBeCloseTo(0);
    expect(limits(-EC_A4310.noLoadSpeedRadS)[1]).toBe(36);
  });

  it('never grow with speed', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 20, noNaN: true }),
        fc.double({ min: 0, max: 5, noNaN: true }),
        (v, dv) => {
          expect(limits(v + dv)[1]!).toBeLessThanOrEqual(limits(v)[1]!);
        },
      ),
    );
  });
});

describe('the position a motor reads', () => {
  it('is carried on at its speed between two steps of the simulation', () => {
    const motor = new EncosMotor({ joint: 'joint1', canId: 1, data: EC_A4310 });
    motor.moved(1, 2, 0, 0.001, 10e6);
    expect(motor.positionRad(10e6)).toBe(1);
    expect(motor.positionRad(10.5e6)).toBeCloseTo(1.001, 9);
  });
});

describe('temperature', () => {
  it('rises towards the data sheet at rated torque and falls back without load', () => {
    const thermal = new Thermal(3, 25);
    for (let i = 0; i < 60_000; i += 1) thermal.advance(9, 0.02);
    expect(thermal.windingC).toBeCloseTo(25 + Thermal.WINDING_RISE_C, 0);
    expect(thermal.driverC).toBeCloseTo(25 + Thermal.DRIVER_RISE_C, 0);
    for (let i = 0; i < 60_000; i += 1) thermal.advance(0, 0.02);
    expect(thermal.windingC).toBeCloseTo(25, 0);
  });

  it('goes with the square of the torque', () => {
    const [one, two] = [new Thermal(3, 25), new Thermal(3, 25)];
    one.advance(4, 1);
    two.advance(16, 1);
    expect((two.windingC - 25) / (one.windingC - 25)).toBeCloseTo(4, 9);
  });
});

describe('numbers on the wire', () => {
  it('come back within one step, and are clamped to their range', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -20, max: 20, noNaN: true }),
        fc.constantFrom(9, 12, 16),
        (value, bits) => {
          const word = toWire(value, -12.5, 12.5, bits);
          expect(word).toBeGreaterThanOrEqual(0);
          expect(word).toBeLessThan(2 ** bits);
          const clamped = Math.min(12.5, Math.max(-12.5, value));
          const back = fromWire(word, -12.5, 12.5, bits);
          expect(Math.abs(back - clamped)).toBeLessThanOrEqual(25 / (2 ** bits - 1) + 1e-9);
        },
      ),
    );
  });
});
