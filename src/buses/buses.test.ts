import { rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { ERRORS, MyelinError } from '../core/errors.ts';
import { type CanSyscalls, kernelCanSyscalls } from '../platform/can-socket.ts';
import { Errno } from '../platform/libc.ts';
import { accept, closeFd, listen, receive, send, socketPair } from '../platform/seqpacket.ts';
import { openPty, type Tty } from '../platform/tty.ts';
import { createCanFrame } from './can.ts';
import { openCanBus } from './open-bus.ts';
import { SlcanBus } from './slcan.ts';
import { SocketCanBus } from './socketcan.ts';
import { WorldBus, worldBusPath } from './world-bus.ts';

const cleanups: (() => void)[] = [];
const later = (cleanup: () => void): void => void cleanups.push(cleanup);
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

const failure = (call: () => unknown): MyelinError => {
  try {
    call();
  } catch (thrown) {
    if (thrown instanceof MyelinError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
};
const frame = createCanFrame();
const record = (id: number, ...data: number[]): Uint8Array => {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(0, id, true);
  bytes[4] = data.length;
  bytes.set(data, 8);
  return bytes;
};

/** A kernel with one interface that is up; its other end is `peer`. */
function fakeKernel(): { calls: CanSyscalls; peer: number } {
  const [socket, peer] = socketPair();
  later(() => closeFd(peer));
  const real = kernelCanSyscalls();
  const calls: CanSyscalls = {
    ...real,
    socket: () => socket,
    ioctl: (_fd, request, argument) => {
      new DataView(argument.buffer).setInt32(16, request === 0x8933 ? 3 : 0x41, true);
      return 0;
    },
    bind: () => 0,
    setsockopt: () => 0,
  };
  return { calls, peer };
}

describe('SocketCAN', () => {
  it('sends and receives frames, and counts them', () => {
    const { calls, peer } = fakeKernel();
    using bus = SocketCanBus.open('can0', calls);
    expect(bus.name).toBe('can0');
    expect(bus.send(0x105, Uint8Array.of(9, 8, 7), 2)).toBe(true);
    const got = new Uint8Array(16);
    expect(receive(peer, got)).toBe(16);
    expect([...got]).toEqual([...record(0x105, 9, 8)]);
    expect(bus.receive(frame)).toBe(false);
    send(peer, record(0x20000008), 16);
    send(peer, record(5, 1, 2, 3), 16);
    expect(bus.receive(frame)).toBe(true);
    expect([frame.id, frame.length, ...frame.data.subarray(0, 3)]).toEqual([5, 3, 1, 2, 3]);
    expect(bus.stats).toEqual({ sent: 1, received: 1, dropped: 0, errors: 1, busOff: false });
  });

  it('drops frames when the queue is full, and says so', () => {
    const { calls } = fakeKernel();
    using bus = SocketCanBus.open('can0', { ...calls, write: () => -1, errno: () => Errno.ENOBUFS });
    expect(bus.send(1, new Uint8Array(8), 8)).toBe(false);
    expect(bus.stats.dropped).toBe(1);
  });

  it('is off when the interface goes down', () => {
    const { calls } = fakeKernel();
    using bus = SocketCanBus.open('can0', { ...calls, read: () => -1, errno: () => Errno.ENETDOWN });
    expect(bus.receive(frame)).toBe(false);
    expect(bus.stats.busOff).toBe(true);
  });

  it('does not hang on a flood of error frames', () => {
    const { calls, peer } = fakeKernel();
    using bus = SocketCanBus.open('can0', calls);
    for (let i = 0; i < 70; i++) send(peer, record(0x20000040), 16);
    expect(bus.receive(frame)).toBe(false);
    expect(bus.stats.errors).toBe(64);
    expect(bus.stats.busOff).toBe(true);
  });
});

describe('the bus of a world', () => {
  const world = `bus-test-${process.pid}`;

  it('carries frames both ways until the world ends', () => {
    const path = worldBusPath(world);
    const listener = listen(path);
    later(() => rmSync(path, { force: true }));
    later(() => closeFd(listener));
    const bus = openCanBus(`world:${world}`);
    later(() => bus.close());
    expect(bus.name).toBe(`world:${world}`);
    const peer = accept(listener);
    expect(bus.send(8, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), 8)).toBe(true);
    const got = new Uint8Array(32);
    expect(receive(peer, got)).toBe(16);
    expect([...got.subarray(0, 16)]).toEqual([...record(8, 1, 2, 3, 4, 5, 6, 7, 8)]);
    send(peer, Uint8Array.of(1, 2, 3), 3);
    send(peer, record(0, 0x15, 7), 16);
    expect(bus.receive(frame)).toBe(true);
    expect([frame.id, frame.length, frame.data[0]]).toEqual([0, 2, 0x15]);
    closeFd(peer);
    expect(bus.receive(frame)).toBe(false);
    expect(bus.stats).toEqual({ sent: 1, received: 1, dropped: 0, errors: 2, busOff: true });
    expect(bus.send(8, new Uint8Array(8), 8)).toBe(false);
    expect(bus.stats.dropped).toBe(1);
  });

  it('says which world is missing', () => {
    const error = failure(() => WorldBus.open(`nowhere-${process.pid}`));
    expect(error.code).toBe('WORLD_MISSING');
    expect(error.hint).toContain(`--name nowhere-${process.pid}`);
  });

  it('loses no whole frame and sends none in part when nobody reads', () => {
    const [mine, peer] = socketPair();
    later(() => closeFd(peer));
    using bus = new WorldBus('world:pair', mine);
    const before = bus.stats.sent;
    while (bus.send(1, new Uint8Array(8), 8));
    expect(bus.stats.dropped).toBe(1);
    const got = new Uint8Array(16);
    let count = 0;
    while (receive(peer, got) === 16) count += 1;
    expect(count).toBe(bus.stats.sent - before);
  });
});

/** An slcan adapter at the other end of a pseudo-terminal. */
class Adapter {
  readonly tty: Tty = openPty();
  readonly lines: string[] = [];
  answer: (line: string) => string = () => '\r';
  #text = '';

  /** Reads what came and answers every line. */
  work(): void {
    const bytes = new Uint8Array(4096);
    for (let count = this.tty.read(bytes); count > 0; count = this.tty.read(bytes)) {
      this.#text += String.fromCharCode(...bytes.subarray(0, count));
    }
    for (let end = this.#text.indexOf('\r'); end >= 0; end = this.#text.indexOf('\r')) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 1);
      this.lines.push(line);
      this.say(this.answer(line));
    }
  }

  say(text: string): void {
    this.tty.write(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
  }

  /** Works until as many lines have come. */
  workUntil(count: number): void {
    for (let tries = 0; this.lines.length < count && tries < 1e5; tries++) this.work();
  }
}

/** The kernel hands terminal bytes over in its own time. */
function receiveSoon(bus: SlcanBus): boolean {
  for (let tries = 0; tries < 1e5; tries++) if (bus.receive(frame)) return true;
  return false;
}

describe('slcan over a serial port', () => {
  const plug = (): Adapter => {
    const adapter = new Adapter();
    later(() => adapter.tty.close());
    return adapter;
  };
  const openAt = (adapter: Adapter): SlcanBus => {
    const bus = SlcanBus.open(adapter.tty.path, { waitMs: () => adapter.work() });
    later(() => bus.close());
    return bus;
  };

  it('opens the channel at 1 Mbit/s and closes it again', () => {
    const adapter = plug();
    const bus = openAt(adapter);
    expect(adapter.lines).toEqual(['', 'C', 'S8', 'O']);
    expect(bus.name).toBe(`slcan:${adapter.tty.path}`);
    bus.close();
    adapter.workUntil(5);
    expect(adapter.lines.at(-1)).toBe('C');
  });

  it('opens an adapter that refuses to close what is not open', () => {
    const adapter = plug();
    adapter.answer = (line) => (line === 'C' ? '\x07' : '\r');
    expect(() => openAt(adapter)).not.toThrow();
  });

  it('opens an adapter that never answers', () => {
    const adapter = plug();
    adapter.answer = () => '';
    openAt(adapter);
    expect(adapter.lines.at(-1)).toBe('O');
  });

  it('says what an adapter refuses', () => {
    const adapter = plug();
    adapter.answer = (line) => (line === 'S8' ? '\x07' : '\r');
    const error = failure(() => openAt(adapter));
    expect(error.code).toBe('BUS_UNAVAILABLE');
    expect(error.message).toContain('does not take 1 Mbit/s');
  });

  it('carries frames both ways, in pieces', () => {
    const adapter = plug();
    const bus = openAt(adapter);
    expect(bus.send(0x7ff, Uint8Array.of(5, 0, 0x33), 3)).toBe(true);
    adapter.workUntil(5);
    expect(adapter.lines[4]).toBe('t7FF3050033');
    adapter.say('z\rt0002');
    bus.receive(frame);
    adapter.say('15A');
    bus.receive(frame);
    adapter.say('B\r');
    expect(receiveSoon(bus)).toBe(true);
    expect([frame.id, frame.length, frame.data[0], frame.data[1]]).toEqual([0, 2, 0x15, 0xab]);
    expect(bus.stats.received).toBe(1);
  });

  it('drops frames, whole, when the port takes no more', () => {
    const adapter = plug();
    const bus = openAt(adapter);
    adapter.lines.length = 0;
    let sent = 0;
    while (bus.send(1, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), 8) && sent < 1e5) sent += 1;
    expect(bus.stats.dropped).toBe(1);
    for (let tries = 0; adapter.lines.length < sent && tries < 1e5; tries++) {
      adapter.work();
      bus.receive(frame);
    }
    expect(adapter.lines).toHaveLength(sent);
    expect(new Set(adapter.lines)).toEqual(new Set(['t00180102030405060708']));
    expect(bus.send(1, new Uint8Array(8), 8)).toBe(true);
  });

  it('is off when the adapter is unplugged', () => {
    const adapter = plug();
    const bus = openAt(adapter);
    adapter.tty.close();
    for (let tries = 0; !bus.stats.busOff && tries < 1e5; tries++) bus.receive(frame);
    expect(bus.stats.busOff).toBe(true);
    expect(bus.send(1, new Uint8Array(8), 8)).toBe(false);
  });
});

describe('a bus by name', () => {
  it('is refused when the name means nothing', () => {
    for (const name of ['', 'world:', 'world:a/b', 'slcan:ttyACM0', 'can 0', 'slcan:/dev/x@fast', '0can']) {
      expect(failure(() => openCanBus(name)).code).toBe('INVALID_ARGUMENT');
    }
  });

  it('says what is wrong with the interface of this machine', () => {
    const error = failure(() => openCanBus('nocan9'));
    expect(error.code).toBe('BUS_UNAVAILABLE');
    expect(error.message).toContain('nocan9');
    expect(Object.keys(ERRORS)).toContain(error.code);
    expect(failure(() => openCanBus('slcan:/dev/ttyNONE7@115200')).code).toBe('BUS_UNAVAILABLE');
  });
});
