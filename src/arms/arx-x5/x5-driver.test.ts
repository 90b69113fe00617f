import { beforeEach, describe, expect, it } from 'vitest';
import type { CanBus, CanFrame } from '../../buses/can.ts';
import type { MyelinError } from '../../core/errors.ts';
import { armDescription } from '../catalogue.ts';
import { createArmCommand, createArmState, MotorFault } from '../driver.ts';
import { X5Driver } from './x5-driver.ts';

/**
 * Seven motors on a bus, as their makers' protocol tables describe them: 1, 2 and 4 Encos, 5 to 8 Damiao. They
 * hold still wherever `position` says and answer at once.
 */
class FakeArm implements CanBus {
  readonly name = 'fake0';
  readonly stats = { sent: 0, received: 0, dropped: 0, errors: 0, busOff: false };
  readonly frames: { id: number; bytes: number[] }[] = [];
  readonly queue: { id: number; bytes: number[] }[] = [];
  readonly position = new Map([1, 2, 4, 5, 6, 7, 8].map((id) => [id, 0]));
  readonly dead = new Set<number>();
  readonly enabled = new Set<number>();
  /** Status a Damiao motor is stuck at until cleared so often. */
  readonly stuck = new Map<number, { status: number; clears: number }>();
  encosError = 0;
  answersQuestions = true;
  timeoutUnits = 8000;
  velocityMax = 30;
  torqueMax = 10;
  closed = 0;

  send(id: number, data: Uint8Array, length: number): boolean {
    const bytes = [...data.subarray(0, length)];
    this.frames.push({ id, bytes });
    if (id === 0x7ff) this.#register(bytes);
    else if (!this.dead.has(id)) {
      if (id <= 4) this.#encos(id, bytes);
      else this.#damiao(id, bytes);
    }
    return true;
  }

  receive(frame: CanFrame): boolean {
    const next = this.queue.shift();
    if (next === undefined) return false;
    frame.id = next.id;
    frame.length = next.bytes.length;
    frame.data.fill(0);
    frame.data.set(next.bytes);
    return true;
  }

  close(): void {
    this.closed += 1;
  }

  /** Frames sent to a motor since the last call. */
  take(id: number): number[][] {
    const mine = this.frames.filter((frame) => frame.id === id).map(({ bytes }) => bytes);
    this.frames.splice(0, this.frames.length, ...this.frames.filter((frame) => frame.id !== id));
    return mine;
  }

  damiaoFeedback(id: number, status = this.#status(id)): number[] {
    const p = Math.round(((this.position.get(id)! + 12.5) / 25) * 65535);
    return [(status << 4) | id, p >> 8, p & 255, 0x80, 0x08, 0x00, 31, 32];
  }

  encosFeedback(id: number): number[] {
    const p = Math.round(((this.position.get(id)! + 12.5) / 25) * 65535);
    return [0x20 | this.encosError, p >> 8, p & 255, 0x80, 0x08, 0x00, 110, 130];
  }

  #status(id: number): number {
    return this.stuck.get(id)?.status ?? (this.enabled.has(id) ? 1 : 0);
  }

  #damiao(id: number, bytes: number[]): void {
    if (bytes.slice(0, 7).every((byte) => byte === 255)) {
      if (bytes[7] === 0xfc) this.enabled.add(id);
      const stuck = this.stuck.get(id);
      if (bytes[7] === 0xfb && stuck !== undefined && --stuck.clears <= 0) this.stuck.delete(id);
    }
    this.queue.push({ id: 0, bytes: this.damiaoFeedback(id) });
  }

  #encos(id: number, bytes: number[]): void {
    if (bytes.length === 8) this.queue.push({ id, bytes: this.encosFeedback(id) });
    else if (this.answersQuestions && bytes[0] === 0xe0) {
      const values: Record<number, number> = {
        23: 500,
        24: 5,
        25: 1250,
        26: 1800,
        27: 300,
        28: 300,
        31: 250,
      };
      const value = values[bytes[1]!]!;
      this.queue.push({ id, bytes: [0xa0, bytes[1]!, value >> 8, value & 255] });
    }
  }

  #register(bytes: number[]): void {
    const id = bytes[0]!;
    if (!this.answersQuestions || this.dead.has(id)) return;
    const value = new DataView(new ArrayBuffer(4));
    if (bytes[3] === 9) value.setUint32(0, this.timeoutUnits, true);
    else value.setFloat32(0, { 21: 12.5, 22: this.velocityMax, 23: this.torqueMax }[bytes[3]!]!, true);
    this.queue.push({ id: 0, bytes: [...bytes.slice(0, 4), ...new Uint8Array(value.buffer)] });
  }
}

const description = armDescription('X5');
const failure = (call: () => unknown): MyelinError => {
  try {
    call();
  } catch (thrown) {
    return thrown as MyelinError;
  }
  throw new Error('nothing was thrown');
};

let bus: FakeArm;
let driver: X5Driver;
const state = createArmState(7);
let waitedMs: number;
const waitMs = (ms: number) => {
  waitedMs += ms;
};
beforeEach(() => {
  bus = new FakeArm();
  driver = new X5Driver(description, bus);
  waitedMs = 0;
});

describe('connecting', () => {
  it('wakes every motor within a second and ends damped, never stiff', () => {
    driver.connect(waitMs);
    expect(waitedMs).toBeLessThan(1000);
    for (const id of [1, 2, 4]) {
      const commands = bus.take(id).filter((bytes) => bytes.length === 8);
      // kp: 12 bits after the 3 of the mode
      for (const [b0, b1] of commands) expect([b0, b1! >> 1]).toEqual([0, 0]);
      expect(commands[0]![2]).toBe(0);
      expect(commands.at(-1)![2]! + ((commands.at(-1)![1]! & 1) << 8)).toBeGreaterThan(200);
    }
    for (const id of [5, 6, 7, 8]) {
      const frames = bus.take(id);
      const isCommand = (bytes: number[]) => bytes.slice(0, 7).every((byte) => byte === 255);
      expect(frames.filter(isCommand).map((bytes) => bytes[7])).toEqual([0xfb, 0xfc]);
      const motion = frames.filter((bytes) => !isCommand(bytes));
      for (const bytes of motion) expect([bytes[3]! & 0xf, bytes[4]]).toEqual([0, 0]);
      expect(motion.at(-1)![5]).toBeGreaterThan(0);
    }
  });

  it('reads ranges and timeouts from the motors', () => {
    const { motors, warnings } = driver.connect(waitMs);
    expect(motors[3]).toEqual({
      joint: 'joint4',
      canId: 5,
      model: 'DM_J4310',
      positionMaxRad: 12.5,
      velocityMaxRadS: 30,
      torqueMaxNm: 10,
      rangesFrom: 'motor',
      communicationTimeoutMs: 400,
    });
    expect(motors[0]).toEqual({
      joint: 'joint1',
      canId: 1,
      model: 'EC_A4310',
      positionMaxRad: 12.5,
      velocityMaxRadS: 18,
      torqueMaxNm: 30,
      rangesFrom: 'motor',
      communicationTimeoutMs: 250,
    });
    expect(warnings).toEqual(['500 Hz takes up to 95 % of the bus fake0: nothing else should use it']);
  });

  it('scales by what the motor says', () => {
    bus.torqueMax = 36;
    driver.connect(waitMs);
    bus.take(5);
    const command = createArmCommand(7);
    command.torqueFeedForward[3] = 18;
    driver.write(command);
    const bytes = bus.take(5)[0]!;
    // 18 of +-36 Nm is three quarters of the way.
    expect(((bytes[6]! & 0xf) << 8) | bytes[7]!).toBe(Math.trunc(0.75 * 4095));
  });

  it('falls back on the data sheet when motors do not tell, and says so', () => {
    bus.answersQuestions = false;
    const { motors, warnings } = driver.connect(waitMs);
    expect(waitedMs).toBeLessThan(1000);
    expect(motors.map(({ rangesFrom }) => rangesFrom)).toEqual(Array(7).fill('data sheet'));
    expect(motors[6]!.velocityMaxRadS).toBe(45);
    expect(warnings.join('\n')).toMatch(/gripper: the motor did not tell its communication timeout/);
    expect(warnings.join('\n')).toMatch(/joint1, joint2.* did not tell its ranges/);
  });

  it('warns of motors without a communication timeout', () => {
    bus.timeoutUnits = 0;
    expect(driver.connect(waitMs).warnings[0]).toMatch(
      /^joint4, joint5, joint6, gripper: .*no communication timeout/,
    );
  });

  it('warns that a rate needs more than a bus has', () => {
    const fast = new X5Driver(description, bus, { controlFrequencyHz: 1000 });
    expect(fast.connect(waitMs).warnings[0]).toMatch(/1000 Hz takes up to 189 % .* lower --control-freq/);
  });

  it('names the motors that do not answer', () => {
    bus.dead.add(4).add(8);
    const error = failure(() => driver.connect(waitMs));
    expect(error.code).toBe('MOTOR_SILENT');
    expect(error.message).toBe('No answer from joint3 (id 4), gripper (id 8) on fake0');
  });

  it('clears a fault that can be cleared', () => {
    bus.stuck.set(6, { status: 0xd, clears: 2 });
    driver.connect(waitMs);
    driver.read(0, state);
    expect(state.fault[4]).toBe(0);
  });

  it('refuses an arm with a fault that stays', () => {
    bus.stuck.set(6, { status: 9, clears: Number.POSITIVE_INFINITY });
    const error = failure(() => driver.connect(waitMs));
    expect(error.code).toBe('MOTOR_FAULT');
    expect(error.message).toBe('Motor joint5 (id 6) reports under-voltage');
    expect(error.hint).toMatch(/24 V/);
  });
});

describe('reading', () => {
  it('gives positions in joint units, the gripper in metres', () => {
    bus.position.set(1, 0.5).set(5, -1.2).set(8, 2.515);
    driver.connect(waitMs);
    driver.read(1e9, state);
    expect(state.position[0]).toBeCloseTo(0.5, 3);
    expect(state.position[3]).toBeCloseTo(-1.2, 3);
    expect(state.position[6]).toBeCloseTo(0.044, 5);
    expect(state.velocity[6]).toBeCloseTo(0, 2);
    expect([...state.motorTemperatureC]).toEqual([30, 30, 30, 32, 32, 32, 32]);
    expect([...state.driverTemperatureC]).toEqual([40, 40, 40, 31, 31, 31, 31]);
    expect([...state.status]).toEqual([0, 0, 0, 1, 1, 1, 1]);
  });

  it('reads a gripper whose motor turns the other way', () => {
    const turned = armDescription('X5', { gripperOpenReadoutRad: -3.4, gripperWidthM: 0.082 });
    const other = new X5Driver(turned, bus);
    bus.position.set(8, -1.7);
    other.connect(waitMs);
    other.read(0, state);
    expect(state.position[6]).toBeCloseTo(0.041, 5);
    bus.take(8);
    const command = createArmCommand(7);
    command.position[6] = 0.082;
    command.kp.set(turned.gains.kp);
    command.kd.set(turned.gains.kd);
    other.write(command);
    const bytes = bus.take(8)[0]!;
    expect((((bytes[0]! << 8) | bytes[1]!) / 65535) * 25 - 12.5).toBeCloseTo(-3.4, 3);
    expect(((((bytes[3]! & 0xf) << 8) | bytes[4]!) / 4095) * 500).toBeCloseTo(5, 0);
  });

  it('counts the age of each motor apart', () => {
    driver.connect(waitMs);
    driver.read(1e9, state);
    expect([...state.feedbackAgeNs]).toEqual(Array(7).fill(0));
    bus.dead.add(2);
    driver.write(createArmCommand(7));
    driver.read(1.002e9, state);
    expect([...state.feedbackAgeNs]).toEqual([0, 2e6, 0, 0, 0, 0, 0]);
  });

  it('is endlessly old before anything was heard', () => {
    driver.read(1e9, state);
    expect(state.feedbackAgeNs[0]).toBe(Number.POSITIVE_INFINITY);
    expect(state.fault[0]).toBe(0);
  });

  it('reports faults of both makers as they come', () => {
    driver.connect(waitMs);
    bus.encosError = 1;
    bus.stuck.set(7, { status: 0xe, clears: 9 });
    driver.write(createArmCommand(7));
    driver.read(0, state);
    expect(state.fault[0]).toBe(MotorFault.OVER_TEMPERATURE);
    expect(state.fault[5]).toBe(MotorFault.OVERLOAD);
    expect(state.status[5]).toBe(0xe);
  });

  it('does not believe one frame that says a joint has jumped, and believes it when it insists', () => {
    driver.connect(waitMs);
    driver.read(0, state);
    bus.position.set(5, 1);
    for (const [tick, expected] of [0, 0, 0, 1].entries()) {
      driver.write(createArmCommand(7));
      driver.read(tick * 2e6, state);
      expect(state.position[3]).toBeCloseTo(expected, 3);
    }
  });

  it('ignores frames of strangers, and of wrong length', () => {
    driver.connect(waitMs);
    driver.read(0, state);
    bus.queue.push({ id: 0x123, bytes: [1, 2, 3] }, { id: 0, bytes: [0x15] }, { id: 0, bytes: [] });
    bus.queue.push({ id: 3, bytes: Array(8).fill(255) }, { id: 0x80000005, bytes: Array(8).fill(255) });
    bus.queue.push({ id: 0, bytes: [0x13, 0, 0, 0, 0, 0, 0, 0] });
    driver.read(5e6, state);
    expect([...state.feedbackAgeNs]).toEqual(Array(7).fill(5e6));
    expect(bus.queue).toHaveLength(0);
  });
});

describe('writing', () => {
  it('sends one frame a motor, in joint order', () => {
    expect(driver.write(createArmCommand(7))).toBe(7);
    expect(bus.frames.map(({ id }) => id)).toEqual([1, 2, 4, 5, 6, 7, 8]);
  });

  it('damps a motor whose command is not a number, and does not count it', () => {
    const command = createArmCommand(7);
    command.kp.fill(10);
    command.position[3] = Number.NaN;
    command.velocity[0] = Number.POSITIVE_INFINITY;
    expect(driver.write(command)).toBe(5);
    const wrist = bus.take(5)[0]!;
    expect([wrist[3]! & 0xf, wrist[4]]).toEqual([0, 0]);
    expect((wrist[5]! << 4) | (wrist[6]! >> 4)).toBe(Math.trunc((2 / 5) * 4095));
    const base = bus.take(1)[0]!;
    expect([base[0], base[1]! >> 1]).toEqual([0, 0]);
  });

  it('counts only what the bus took', () => {
    const full: CanBus = { ...bus, name: 'full', send: () => false, receive: () => false, close: () => {} };
    const blocked = new X5Driver(description, full);
    expect(blocked.write(createArmCommand(7))).toBe(0);
    expect(blocked.damp()).toBe(0);
  });

  it('damps without ever having connected: no stiffness, no torque, configured damping', () => {
    expect(driver.damp()).toBe(7);
    // Shoulder: kd 5 of 5, middle of the other ranges.
    expect(bus.take(2)).toEqual([[0x00, 0x01, 0xff, 0x7f, 0xff, 0x7f, 0xf7, 0xff]]);
    // Wrist: kd 2 of 5 = 1638 = 666.
    expect(bus.take(5)).toEqual([[0x7f, 0xff, 0x7f, 0xf0, 0x00, 0x66, 0x67, 0xff]]);
  });

  it('drives an L5 with Damiao motors only', () => {
    const l5 = new X5Driver(armDescription('L5'), bus);
    l5.damp();
    expect(bus.take(1)).toEqual([[0x7f, 0xff, 0x7f, 0xf0, 0x00, 0x99, 0x97, 0xff]]);
  });

  it('knows the load it puts on the bus', () => {
    expect(driver.busLoad(500)).toBeCloseTo(0.945, 9);
  });

  it('closes its bus once', () => {
    driver.close();
    driver.close();
    expect(bus.closed).toBe(1);
  });
});
