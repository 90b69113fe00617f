import { describe, expect, it } from 'vitest';
import { seededRandom } from '../random.ts';
import { frameBits } from './bit-time.ts';
import type { FrameFault } from './faults.ts';
import {
  type BusHost,
  type BusMotor,
  ERROR_BUS_OFF,
  ERROR_RESTARTED,
  SimulatedBus,
  type SimulatedBusOptions,
} from './simulated-bus.ts';

const LATENCY_NS = 50_000;

/** Answers every frame on its id with its own first byte, on `replyId`. */
const echo = (canId: number, replyId = canId): BusMotor & { heard: number[] } => ({
  canId,
  heard: [],
  accepts: (id) => id === canId,
  receive(_id, data, _length, nowNs, reply) {
    this.heard.push(nowNs);
    reply.id = replyId;
    reply.data.set(data);
    return 8;
  },
});

const data = (first: number) => Uint8Array.of(first, 1, 2, 3, 4, 5, 6, 7);

function make(options: Partial<SimulatedBusOptions> = {}) {
  const bus = new SimulatedBus({
    replyLatencyNs: LATENCY_NS,
    replyJitterNs: 0,
    random: seededRandom(1),
    ...options,
  });
  return { bus, host: bus.attach() };
}

function drain(host: BusHost): { id: number; first: number; dueNs: number }[] {
  const frames = [];
  for (; host.inbox.count > 0; host.inbox.pop()) {
    frames.push({ id: host.inbox.id, first: host.inbox.data[0]!, dueNs: host.inbox.dueNs });
  }
  return frames;
}

describe('the simulated bus', () => {
  it('takes one microsecond a bit, and the motor its time to answer', () => {
    const { bus, host } = make();
    const motor = echo(5);
    bus.addMotor(motor);
    host.outbox.push(5, data(9), 8, 1000);
    const frameNs = 1000 * frameBits(5, data(9), 8);
    bus.advance(1000 + frameNs - 1);
    expect(motor.heard).toEqual([]);
    bus.advance(1e9);
    expect(motor.heard).toEqual([1000 + frameNs]);
    expect(drain(host)).toEqual([{ id: 5, first: 9, dueNs: 1000 + 2 * frameNs + LATENCY_NS }]);
    expect(bus.busyNs).toBe(2 * frameNs);
  });

  it('lets the lowest id go first, and a frame once begun go to its end', () => {
    const { bus, host } = make();
    const other = bus.attach();
    const listener = bus.attach();
    host.outbox.push(0x50, data(1), 8, 0);
    other.outbox.push(0x60, data(2), 8, 10);
    bus.advance(50);
    const late = bus.attach();
    late.outbox.push(0x10, data(3), 8, 60);
    bus.advance(1e9);
    expect(drain(listener).map(({ id }) => id)).toEqual([0x50, 0x10, 0x60]);
  });

  it('puts a reply before commands with higher ids', () => {
    const { bus, host } = make();
    for (const id of [5, 6, 7]) bus.addMotor(echo(id, 0));
    const listener = bus.attach();
    for (const id of [5, 6, 7]) host.outbox.push(id, data(id), 8, 0);
    bus.advance(1e9);
    expect(drain(listener).map(({ id, first }) => `${id}:${first}`)).toEqual([
      '5:5',
      '6:6', // The first motor was still thinking when this one began.
      '0:5',
      '0:6',
      '7:7',
      '0:7',
    ]);
  });

  it('shows hosts each other but not their own frames', () => {
    const { bus, host } = make();
    const other = bus.attach();
    host.outbox.push(3, data(1), 8, 0);
    bus.advance(1e9);
    expect(drain(host)).toEqual([]);
    expect(drain(other)).toHaveLength(1);
  });

  it('sends what a host had handed over before it left', () => {
    const { bus, host } = make();
    const listener = bus.attach();
    host.outbox.push(3, data(1), 8, 0);
    host.outbox.push(4, data(1), 8, 0);
    bus.detach(host);
    bus.advance(1e9);
    expect(drain(listener)).toHaveLength(2);
    expect(bus.hosts).toEqual([listener]);
  });

  it('can do without bit timing', () => {
    const { bus, host } = make({ bitRate: 0 });
    const motor = echo(5);
    bus.addMotor(motor);
    for (let i = 0; i < 10; i += 1) host.outbox.push(5, data(i), 8, 100);
    bus.advance(100);
    expect(motor.heard).toHaveLength(10);
  });

  it('carries 500 cycles a second of seven motors, but not 1000', () => {
    const cycle = (hz: number) => {
      const { bus, host } = make();
      const ids = [1, 2, 4, 5, 6, 7, 8];
      for (const id of ids) bus.addMotor(echo(id));
      let replies = 0;
      for (let tick = 0; tick < 200; tick += 1) {
        bus.advance((tick * 1e9) / hz);
        replies += drain(host).length;
        for (const id of ids) host.outbox.push(id, data(tick), 8, (tick * 1e9) / hz);
      }
      return replies / (200 * ids.length);
    };
    expect(cycle(500)).toBeGreaterThan(0.99);
    expect(cycle(1000)).toBeLessThan(0.7);
  });

  it('tells hosts when the bus is off and when it is back, and loses what they send meanwhile', () => {
    const { bus, host } = make();
    const motor = echo(5);
    bus.addMotor(motor);
    bus.busOff(1e6);
    host.outbox.push(5, data(1), 8, 0);
    bus.advance(999_999);
    expect(bus.isBusOff).toBe(true);
    expect(drain(host).map(({ id }) => id)).toEqual([ERROR_BUS_OFF]);
    bus.advance(1e6);
    host.outbox.push(5, data(2), 8, 1e6);
    bus.advance(1e9);
    expect(bus.isBusOff).toBe(false);
    expect(drain(host).map(({ id, first }) => (id === 5 ? first : id))).toEqual([ERROR_RESTARTED, 2]);
    expect(motor.heard).toHaveLength(1);
  });
});

describe('faults on the bus', () => {
  const exchange = (faults: FrameFault[], count = 200) => {
    const { bus, host } = make();
    const motors = [echo(5), echo(6)];
    for (const motor of motors) bus.addMotor(motor);
    for (const fault of faults) bus.faults.add(fault);
    const replies: { id: number; first: number; dueNs: number }[] = [];
    for (let i = 0; i < count; i += 1) {
      for (const { canId } of motors) host.outbox.push(canId, data(7), 8, i * 1e6);
      bus.advance((i + 1) * 1e6);
      replies.push(...drain(host));
    }
    return { bus, motors, replies };
  };

  it('lose only the next frames when a count is given', () => {
    const { motors, replies } = exchange([{ kind: 'lost', motor: 5, direction: 'command', count: 3 }]);
    expect(motors[0]!.heard).toHaveLength(197);
    expect(motors[1]!.heard).toHaveLength(200);
    expect(replies).toHaveLength(397);
  });

  it('hit the share of frames that was asked for, and the same ones for the same seed', () => {
    const faults: FrameFault[] = [{ kind: 'lost', direction: 'reply', probability: 0.25 }];
    const first = exchange(faults);
    expect(first.replies.length).toBeGreaterThan(250);
    expect(first.replies.length).toBeLessThan(350);
    expect(exchange(faults).replies).toEqual(first.replies);
  });

  it('change bits but not the id or the number of corrupted frames', () => {
    const { bus, replies } = exchange([{ kind: 'corrupted', motor: 6, direction: 'reply' }]);
    expect(replies).toHaveLength(400);
    expect(replies.filter(({ id, first }) => id === 5 && first !== 7)).toEqual([]);
    expect(replies.some(({ id, first }) => id === 6 && first !== 7)).toBe(true);
    expect(bus.faults.hits.corrupted).toBe(200);
  });

  it('hold late frames back for their delay and then deliver them', () => {
    const { replies } = exchange([{ kind: 'late', motor: 5, direction: 'reply', delayMs: 3, count: 1 }], 10);
    expect(replies).toHaveLength(20);
    const dueMs = replies.filter(({ id }) => id === 5).map(({ dueNs }) => Math.floor(dueNs / 1e6));
    expect(dueMs).toEqual([1, 2, 3, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('end when they are cleared', () => {
    const { bus, host } = make();
    bus.addMotor(echo(5));
    bus.faults.add({ kind: 'lost' });
    bus.faults.clear();
    host.outbox.push(5, data(1), 8, 0);
    bus.advance(1e9);
    expect(drain(host)).toHaveLength(1);
    expect(bus.faults.active).toEqual([]);
  });
});
