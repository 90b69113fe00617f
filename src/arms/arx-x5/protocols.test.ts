import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MotorFault } from '../driver.ts';
import {
  DamiaoCommand,
  damiaoFault,
  damiaoFloat,
  damiaoTimeoutMs,
  damiaoUint,
  isDamiaoRegister,
  packDamiao,
  packDamiaoCommand,
  packDamiaoRead,
  unpackDamiao,
} from './damiao.ts';
import {
  EncosParameter,
  encosAnswer,
  encosFault,
  encosUnits,
  isEncosFeedback,
  packEncos,
  packEncosAsk,
  unpackEncos,
} from './encos.ts';
import { createMotorFeedback, type MotorCommand } from './quantise.ts';

const DM = { positionMaxRad: 12.5, velocityMaxRadS: 45, torqueMaxNm: 18 };
const EC = {
  positionMaxRad: 12.5,
  velocityMaxRadS: 18,
  torqueMaxNm: 30,
  currentMaxA: 30,
  kpMax: 500,
  kdMax: 5,
};
const command = (
  positionRad: number,
  velocityRadS: number,
  kp: number,
  kd: number,
  torqueNm: number,
): MotorCommand => ({ positionRad, velocityRadS, kp, kd, torqueNm });
const hex = (bytes: Uint8Array, length = 8): string =>
  [...bytes.subarray(0, length)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
const bytesOf = (text: string): Uint8Array =>
  Uint8Array.from(text.split(' '), (byte) => Number.parseInt(byte, 16));
const packed = (pack: (out: Uint8Array) => void, length = 8): string => {
  const out = new Uint8Array(8);
  pack(out);
  return hex(out, length);
};
/** Bits `from` to `from + count`, counted from the first bit on the wire. */
const bits = (bytes: Uint8Array, from: number, count: number): number => {
  let whole = 0n;
  for (const byte of bytes) whole = (whole << 8n) | BigInt(byte);
  return Number((whole >> BigInt(64 - from - count)) & ((1n << BigInt(count)) - 1n));
};

const anyCommand = fc.record({
  positionRad: fc.double({ min: -12.5, max: 12.5, noNaN: true }),
  velocityRadS: fc.double({ min: -18, max: 18, noNaN: true }),
  kp: fc.double({ min: 0, max: 500, noNaN: true }),
  kd: fc.double({ min: 0, max: 5, noNaN: true }),
  torqueNm: fc.double({ min: -18, max: 18, noNaN: true }),
});

describe('Damiao frames', () => {
  it('pack a limp command as the well-known middle of every range', () => {
    // p 32767 = 7fff, v 2047 = 7ff, kp 0, kd 0, t 2047 = 7ff
    expect(packed((out) => packDamiao(command(0, 0, 0, 0, 0), DM, out))).toBe('7f ff 7f f0 00 00 07 ff');
  });

  it('pack a command worked out by hand', () => {
    // p: 13.5/25*65535 = 35388.9 -> 8a3c; v: 46/90*4095 = 2093 -> 82d; kp: 30/500*4095 = 245.7 -> 0f5;
    // kd: 1/5*4095 = 819 -> 333; t: 16/36*4095 = 1820 -> 71c
    const out = packed((bytes) => packDamiao(command(1, 1, 30, 1, -2), DM, bytes));
    expect(out).toBe('8a 3c 82 d0 f5 33 37 1c');
  });

  it('clamp what is out of range', () => {
    expect(packed((out) => packDamiao(command(99, 99, 999, 99, 99), DM, out))).toBe(
      'ff ff ff ff ff ff ff ff',
    );
    expect(packed((out) => packDamiao(command(-99, -99, -9, -9, -99), DM, out))).toBe(
      '00 00 00 00 00 00 00 00',
    );
  });

  it('carry every command within one step of each range', () => {
    fc.assert(
      fc.property(anyCommand, (wanted) => {
        const out = new Uint8Array(8);
        packDamiao(wanted, DM, out);
        expect(Math.abs((bits(out, 0, 16) / 65535) * 25 - 12.5 - wanted.positionRad)).toBeLessThan(
          25 / 65534,
        );
        expect(Math.abs((bits(out, 16, 12) / 4095) * 90 - 45 - wanted.velocityRadS)).toBeLessThan(90 / 4094);
        expect(Math.abs((bits(out, 28, 12) / 4095) * 500 - wanted.kp)).toBeLessThan(500 / 4094);
        expect(Math.abs((bits(out, 40, 12) / 4095) * 5 - wanted.kd)).toBeLessThan(5 / 4094);
        expect(Math.abs((bits(out, 52, 12) / 4095) * 36 - 18 - wanted.torqueNm)).toBeLessThan(36 / 4094);
      }),
    );
  });

  it('enable, disable, zero and clear by their last byte', () => {
    expect(packed((out) => packDamiaoCommand(DamiaoCommand.ENABLE, out))).toBe('ff ff ff ff ff ff ff fc');
    expect(packed((out) => packDamiaoCommand(DamiaoCommand.CLEAR_ERROR, out))).toBe(
      'ff ff ff ff ff ff ff fb',
    );
  });

  it('unpack feedback worked out by hand', () => {
    const feedback = createMotorFeedback();
    unpackDamiao(bytesOf('17 8a 3d 82 d7 1c 23 2d'), DM, feedback);
    expect(feedback.status).toBe(1);
    expect(feedback.positionRad).toBeCloseTo((35389 / 65535) * 25 - 12.5, 12);
    expect(feedback.velocityRadS).toBeCloseTo((2093 / 4095) * 90 - 45, 12);
    expect(feedback.torqueNm).toBeCloseTo((1820 / 4095) * 36 - 18, 12);
    expect([feedback.driverTemperatureC, feedback.motorTemperatureC]).toEqual([35, 45]);
  });

  it('ask for and read registers', () => {
    expect(packed((out) => packDamiaoRead(0x105, 21, out))).toBe('05 01 33 15 00 00 00 00');
    const answer = bytesOf('05 00 33 15 00 00 48 41');
    expect(isDamiaoRegister(answer, 5)).toBe(true);
    expect(isDamiaoRegister(answer, 6)).toBe(false);
    expect(isDamiaoRegister(bytesOf('15 00 34 15 00 00 48 41'), 5)).toBe(false);
    expect(damiaoFloat(answer)).toBe(12.5);
    expect(damiaoTimeoutMs(damiaoUint(bytesOf('05 00 33 09 40 1f 00 00')))).toBe(400);
  });

  it('map every status nibble to a fault, and only "enabled" to none', () => {
    for (let status = 0; status < 16; status++) expect(damiaoFault(status) === 0).toBe(status === 1);
    expect(damiaoFault(0xd)).toBe(MotorFault.COMMUNICATION_LOST);
    expect(damiaoFault(0xb)).toBe(MotorFault.OVER_TEMPERATURE);
    expect(damiaoFault(7)).toBe(MotorFault.OTHER);
  });
});

describe('Encos frames', () => {
  it('pack a limp command as zero gains and the middle of the other ranges', () => {
    // mode 000, kp 12 x 0, kd 9 x 0, p 7fff, v 7ff, t 7ff
    expect(packed((out) => packEncos(command(0, 0, 0, 0, 0), EC, out))).toBe('00 00 00 7f ff 7f f7 ff');
  });

  it('pack a command worked out by hand', () => {
    // kp: 80/500*4095 = 655.2 -> 28f; kd: 2/5*511 = 204.4 -> 0cc; p 1 -> 8a3c;
    // v: 19/36*4095 = 2161.25 -> 871; t: 35/60*4095 = 2388.75 -> 954
    // 000 001010001111 011001100 ... = 05 1e cc
    const out = packed((bytes) => packEncos(command(1, 1, 80, 2, 5), EC, bytes));
    expect(out).toBe('05 1e cc 8a 3c 87 19 54');
  });

  it('carry every command within one step of each range, in mode 0', () => {
    fc.assert(
      fc.property(anyCommand, (wanted) => {
        const out = new Uint8Array(8);
        packEncos(wanted, EC, out);
        expect(bits(out, 0, 3)).toBe(0);
        expect(Math.abs((bits(out, 3, 12) / 4095) * 500 - wanted.kp)).toBeLessThan(500 / 4094);
        expect(Math.abs((bits(out, 15, 9) / 511) * 5 - wanted.kd)).toBeLessThan(5 / 510);
        expect(Math.abs((bits(out, 24, 16) / 65535) * 25 - 12.5 - wanted.positionRad)).toBeLessThan(
          25 / 65534,
        );
        expect(Math.abs((bits(out, 40, 12) / 4095) * 36 - 18 - wanted.velocityRadS)).toBeLessThan(36 / 4094);
        expect(Math.abs((bits(out, 52, 12) / 4095) * 60 - 30 - wanted.torqueNm)).toBeLessThan(60 / 4094);
      }),
    );
  });

  it('unpack feedback worked out by hand', () => {
    const feedback = createMotorFeedback();
    // type 1, error 2; p 8a3d; v 871; i 954; 25 degC = 100 = 64, 30 degC = 110 = 6e
    const frame = bytesOf('22 8a 3d 87 19 54 64 6e');
    expect(isEncosFeedback(frame, 8)).toBe(true);
    unpackEncos(frame, EC, feedback);
    expect(feedback.status).toBe(2);
    expect(feedback.positionRad).toBeCloseTo((35389 / 65535) * 25 - 12.5, 12);
    expect(feedback.velocityRadS).toBeCloseTo((2161 / 4095) * 36 - 18, 12);
    expect(feedback.torqueNm).toBeCloseTo(((2388 / 4095) * 60 - 30) * 1.4, 12);
    expect([feedback.motorTemperatureC, feedback.driverTemperatureC]).toEqual([25, 30]);
  });

  it('do not take other frames for feedback', () => {
    expect(isEncosFeedback(bytesOf('a0 1f 00 64 00 00 00 00'), 4)).toBe(false);
    expect(isEncosFeedback(bytesOf('42 00 00 00 00 00 00 00'), 8)).toBe(false);
  });

  it('ask for and read parameters', () => {
    expect(packed((out) => packEncosAsk(EncosParameter.CAN_TIMEOUT, out), 2)).toBe('e0 1f');
    expect(encosAnswer(bytesOf('a0 1f 00 c8'), 4, EncosParameter.CAN_TIMEOUT)).toBe(200);
    expect(encosAnswer(bytesOf('a0 19 fb 1e 04 e2'), 6, EncosParameter.POSITION_MAX)).toBe(1250);
    expect(encosUnits(EncosParameter.POSITION_MAX)).toBe(100);
    expect(encosAnswer(bytesOf('a0 1f 00 c8'), 4, EncosParameter.POSITION_MAX)).toBeUndefined();
    expect(encosAnswer(bytesOf('a0 1f'), 2, EncosParameter.CAN_TIMEOUT)).toBeUndefined();
  });

  it('map error codes to faults; a temperature warning is none yet', () => {
    expect([0, 8].map(encosFault)).toEqual([0, 0]);
    expect(encosFault(1)).toBe(MotorFault.OVER_TEMPERATURE);
    expect(encosFault(5)).toBe(MotorFault.SENSOR);
    expect(encosFault(31)).toBe(MotorFault.OTHER);
  });
});
