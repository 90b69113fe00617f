import { describe, expect, it } from 'vitest';
import { DamiaoMotor, DamiaoStatus } from './damiao-motor.ts';
import { DM_J4310 } from './motor-data.ts';
import { bytes, MotorAtHand } from './testing.ts';

const ENABLE = bytes('ff ff ff ff ff ff ff fc');
const DISABLE = bytes('ff ff ff ff ff ff ff fd');
const SET_ZERO = bytes('ff ff ff ff ff ff ff fe');
const CLEAR = bytes('ff ff ff ff ff ff ff fb');
/** 1 rad, -2 rad/s, 70 Nm/rad, 1.5 Nm s/rad, 3.2 Nm on the scales 12.5 / 45 / 18. */
const COMMAND = bytes('8a 3c 7a 42 3d 4c c9 6b');

const make = (timeoutMs = 400) =>
  new MotorAtHand(
    new DamiaoMotor({ joint: 'joint4', canId: 5, data: DM_J4310 }, { timeoutMs, ambientC: 28 }),
  );

describe('a Damiao motor', () => {
  it('is limp until it is enabled, then follows the command law', () => {
    const { say, law } = make();
    say(COMMAND);
    expect(law()).toMatchObject({ kp: 0, kd: 0, offsetNm: 0 });
    say(ENABLE);
    say(COMMAND);
    const { kp, kd, offsetNm } = law();
    expect(kp).toBeCloseTo(70, 0);
    expect(kd).toBeCloseTo(1.5, 2);
    expect(offsetNm).toBeCloseTo(70 * 1 + 1.5 * -2 + 3.2, 0);
    say(DISABLE);
    expect(law()).toMatchObject({ kp: 0, kd: 0, offsetNm: 0 });
  });

  it('answers every frame with its state on its master id, in the documented bits', () => {
    const { motor, say, reply } = make();
    motor.moved(1, -2, 3.2, 0.001, 0);
    motor.thermal.driverC = 28;
    motor.thermal.windingC = 31;
    expect(say(ENABLE)).toEqual(bytes('15 8a 3c 7a 49 6b 1c 1f'));
    expect(reply.id).toBe(0);
    expect(say(DISABLE)?.[0]).toBe(0x05);
    expect(say(bytes('05 00 cc 00 00 00 00 00'), 0x7ff)).toEqual(bytes('05 8a 3c 7a 49 6b 1c 1f'));
  });

  it('tells its ranges and its timeout, and takes new ones', () => {
    const { motor, say, law } = make();
    expect(say(bytes('05 00 33 16 00 00 00 00'), 0x7ff)).toEqual(bytes('05 00 33 16 00 00 34 42'));
    expect(say(bytes('05 00 33 09 00 00 00 00'), 0x7ff)).toEqual(bytes('05 00 33 09 40 1f 00 00'));
    expect(say(bytes('05 00 55 09 d0 07 00 00'), 0x7ff)).toEqual(bytes('05 00 55 09 d0 07 00 00'));
    expect(motor.timeoutNs).toBe(100e6);
    // TMAX 10 instead of 18 makes the same bits mean less torque.
    say(bytes('05 00 55 17 00 00 20 41'), 0x7ff);
    say(ENABLE);
    say(bytes('80 00 80 00 00 00 0f ff'));
    expect(law().offsetNm).toBeCloseTo(10, 6);
  });

  it('does not write what is read-only, and stays silent about what it does not have', () => {
    const { say } = make();
    const gear = say(bytes('05 00 33 14 00 00 00 00'), 0x7ff);
    expect(say(bytes('05 00 55 14 00 00 00 00'), 0x7ff)?.slice(4)).toEqual(gear?.slice(4));
    expect(say(bytes('05 00 33 63 00 00 00 00'), 0x7ff)).toBeUndefined();
  });

  it('hears only what is addressed to it', () => {
    const { motor } = make();
    expect(motor.accepts(6, COMMAND, 8)).toBe(false);
    expect(motor.accepts(0x7ff, bytes('06 00 cc 00 00 00 00 00'), 8)).toBe(false);
    // An Encos frame on the shared id has the id the other way round.
    expect(motor.accepts(0x7ff, bytes('00 05 00 03'), 4)).toBe(false);
    motor.isDead = true;
    expect(motor.accepts(5, COMMAND, 8)).toBe(false);
  });

  it('faults when it hears nothing for its timeout, brakes, and needs clearing before it can be enabled', () => {
    const { motor, say, law } = make(400);
    say(ENABLE, 5, 0);
    say(COMMAND, 5, 100e6);
    expect(law(500e6).kp).toBeGreaterThan(0);
    expect(law(500e6 + 1).kp).toBe(0);
    expect(law(600e6)).toMatchObject({ kp: 0, offsetNm: 0 });
    expect(law(600e6).kd).toBeGreaterThan(0);
    expect(say(ENABLE, 5, 700e6)![0]! >> 4).toBe(DamiaoStatus.HOST_LOST);
    say(CLEAR, 5, 700e6);
    say(ENABLE, 5, 700e6);
    say(COMMAND, 5, 700e6);
    expect(law(700e6).kp).toBeGreaterThan(0);
    expect(motor.status).toBe('enabled');
  });

  it('never faults without a timeout', () => {
    const { say, law } = make(0);
    say(ENABLE);
    say(COMMAND);
    expect(law(1e12).kp).toBeGreaterThan(0);
  });

  it('turns off when too hot and cannot be cleared before it has cooled', () => {
    const { motor, say, law } = make();
    say(ENABLE);
    say(COMMAND);
    motor.thermal.windingC = 130;
    expect(law().kp).toBe(0);
    expect(say(CLEAR)![0]! >> 4).toBe(DamiaoStatus.WINDING_HOT);
    motor.thermal.windingC = 60;
    expect(say(CLEAR)![0]! >> 4).toBe(DamiaoStatus.DISABLED);
    say(ENABLE);
    expect(motor.status).toBe('enabled');
  });

  it('counts from a new zero', () => {
    const { motor, say } = make();
    motor.moved(0.7, 0, 0, 0.001, 0);
    say(SET_ZERO);
    expect(motor.positionRad()).toBe(0);
  });
});
