import { describe, expect, it } from 'vitest';
import { EncosMotor } from './encos-motor.ts';
import { EC_A4310 } from './motor-data.ts';
import { bytes, MotorAtHand } from './testing.ts';

/** 70 Nm/rad, 2 Nm s/rad, -0.7 rad, 1.25 rad/s, -4.5 Nm on the scales 12.5 / 18 / 30. */
const COMMAND = bytes('04 7a cc 78 d4 88 d6 cc');

const make = () =>
  new MotorAtHand(
    new EncosMotor({ joint: 'joint2', canId: 2, data: EC_A4310 }, { timeoutMs: 400, ambientC: 28 }),
  );

describe('an Encos motor', () => {
  it('needs no enabling: each force-position command drives it', () => {
    const { say, law } = make();
    say(COMMAND);
    const { kp, kd, offsetNm } = law();
    expect(kp).toBeCloseTo(70, 0);
    expect(kd).toBeCloseTo(2, 1);
    expect(offsetNm).toBeCloseTo(70 * -0.7 + 2 * 1.25 - 4.5, 0);
  });

  it('answers on its own id with position, speed, current and temperatures', () => {
    const { motor, say, reply } = make();
    motor.moved(-0.7, 1.25, -4.5, 0.001, 0);
    motor.thermal.windingC = 31;
    motor.thermal.driverC = 28;
    expect(say(COMMAND)).toEqual(bytes('20 78 d4 88 d7 24 70 6a'));
    expect(reply.id).toBe(2);
  });

  it('tells parameters when asked, big-endian', () => {
    const { motor, say } = make();
    expect(say(bytes('e0 1f'))).toEqual(bytes('a0 1f 01 90'));
    expect(say(bytes('e0 16'))).toEqual(bytes('a0 16 00 8c'));
    expect(say(bytes('e0 19'))).toEqual(bytes('a0 19 fb 1e 04 e2')); // -1250 and 1250: 12.5 rad in hundredths
    expect(say(bytes('e0 1b'))).toEqual(bytes('a0 1b fe d4 01 2c')); // -300 and 300: 30 Nm in tenths
    motor.moved(Math.PI / 2, 0, 0, 0.001, 0);
    const degrees = say(bytes('e0 01'))!;
    expect(new DataView(degrees.buffer).getFloat32(2)).toBeCloseTo(90, 4);
    expect(say(bytes('e0 63'))).toBeUndefined();
  });

  it('takes a new timeout and new ranges, and says so when asked to', () => {
    const { motor, say, law } = make();
    expect(say(bytes('c0 0b 00 64'))).toBeUndefined();
    expect(motor.timeoutNs).toBe(100e6);
    expect(say(bytes('c1 0b 00 c8'))).toEqual(bytes('ff fe 0b'));
    say(bytes('c0 09 ff 9c 00 64')); // torque: -10 to 10 Nm
    say(bytes('00 00 00 80 00 80 0f ff'));
    expect(law().offsetNm).toBeCloseTo(10, 6);
  });

  it('is found, set to zero and ignores the other make on the shared id', () => {
    const { motor, say } = make();
    expect(say(bytes('ff ff 00 82'), 0x7ff)).toEqual(bytes('ff ff 01 00 02'));
    motor.moved(0.5, 0, 0, 0.001, 0);
    expect(say(bytes('00 02 00 03'), 0x7ff)).toEqual(bytes('00 02 01 03'));
    expect(motor.positionRad()).toBe(0);
    expect(motor.accepts(0x7ff, bytes('02 00 33 15 00 00 00 00'), 8)).toBe(false);
  });

  it('brakes when it hears nothing for its timeout, and is back with the next command', () => {
    const { motor, say, law } = make();
    say(COMMAND, 2, 0);
    expect(law(400e6).kp).toBeGreaterThan(0);
    const lost = law(400e6 + 1);
    expect([lost.kp, lost.offsetNm, lost.kd > 0]).toEqual([0, 0, true]);
    expect(motor.status).toBe('communication lost');
    say(COMMAND, 2, 500e6);
    expect(law(500e6).kp).toBeGreaterThan(0);
  });

  it('warns when warm, stops when hot, and goes on only when cool again', () => {
    const { motor, say, law } = make();
    say(COMMAND);
    motor.thermal.windingC = 95;
    law();
    expect(say(COMMAND)![0]! & 31).toBe(8);
    expect(law().kp).toBeGreaterThan(0);
    motor.thermal.windingC = 115;
    expect(law().kp).toBe(0);
    motor.thermal.windingC = 100;
    law();
    expect(say(COMMAND)![0]! & 31).toBe(1);
    motor.thermal.windingC = 60;
    law();
    say(COMMAND);
    expect(law().kp).toBeGreaterThan(0);
  });
});
