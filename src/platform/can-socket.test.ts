import { afterEach, describe, expect, it } from 'vitest';
import type { MyelinError } from '../core/errors.ts';
import { CAN_FRAME_BYTES, CanSocket, type CanSyscalls, kernelCanSyscalls } from './can-socket.ts';
import { Errno } from './libc.ts';
import { closeFd, receive, send, socketPair } from './seqpacket.ts';

interface Layer extends CanSyscalls {
  /** What the "kernel" was asked, byte for byte. */
  readonly log: string[];
  /** The bus's end of the socket. */
  readonly bus: number;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A kernel with one interface `can0`, index 7; frames go through a local socket that keeps records whole. */
function fakeKernel({ hasCan = true, up = true } = {}): Layer {
  const [socket, bus] = socketPair();
  const real = kernelCanSyscalls();
  const log: string[] = [];
  let error = 0;
  const fail = (code: number): number => {
    error = code;
    return -1;
  };
  return {
    ...real,
    log,
    bus,
    socket(domain, type, protocol) {
      log.push(`socket ${domain} ${type} ${protocol}`);
      return hasCan ? socket : fail(Errno.EAFNOSUPPORT);
    },
    ioctl(_fd, request, argument) {
      log.push(`ioctl 0x${request.toString(16)} ${hex(argument.subarray(0, 16))} ${argument.length}`);
      if (Buffer.from(argument.subarray(0, 5)).toString('latin1') !== 'can0\0') return fail(Errno.ENODEV);
      new DataView(argument.buffer).setInt32(16, request === 0x8933 ? 7 : up ? 0x41 : 0x40, true);
      return 0;
    },
    bind(_fd, address, length) {
      log.push(`bind ${hex(address)} ${length}`);
      return 0;
    },
    setsockopt(_fd, level, name, value, length) {
      log.push(`setsockopt ${level} ${name} ${hex(value)} ${length}`);
      return 0;
    },
    fcntl(fd, command, argument) {
      log.push(`fcntl ${command} 0x${argument.toString(16)}`);
      return real.fcntl(fd, command, argument);
    },
    errno: () => error || real.errno(),
  };
}

describe('CanSocket', () => {
  const layers: Layer[] = [];
  const layerOf = (options: { hasCan?: boolean; up?: boolean } = {}): Layer => {
    const layer = fakeKernel(options);
    layers.push(layer);
    return layer;
  };
  afterEach(() => {
    for (const { bus } of layers.splice(0)) closeFd(bus);
  });
  const failure = (name: string, layer: Layer): MyelinError => {
    try {
      CanSocket.open(name, layer);
    } catch (error) {
      return error as MyelinError;
    }
    throw new Error('did not fail');
  };

  it('asks the kernel, byte for byte, for a raw socket on that interface with error frames', () => {
    const layer = layerOf();
    CanSocket.open('can0', layer).close();
    expect(layer.log).toEqual([
      'socket 29 3 1',
      'ioctl 0x8933 63616e30000000000000000000000000 40',
      'ioctl 0x8913 63616e30000000000000000000000000 40',
      'setsockopt 101 2 ffffff1f 4',
      'fcntl 4 0x800',
      `bind 1d000000070000000000000000000000${'00'.repeat(8)} 24`,
    ]);
  });

  it('sends and receives whole frames and never waits', () => {
    const layer = layerOf();
    using socket = CanSocket.open('can0', layer);
    const frame = Uint8Array.from({ length: CAN_FRAME_BYTES }, (_, i) => i + 1);
    const record = new Uint8Array(32);
    expect(socket.receive(record)).toBe(0);
    expect(socket.send(frame)).toBe(true);
    expect(receive(layer.bus, record)).toBe(16);
    expect(record.subarray(0, 16)).toEqual(frame);
    send(layer.bus, frame, 16);
    const got = new Uint8Array(CAN_FRAME_BYTES);
    expect(socket.receive(got)).toBe(1);
    expect(got).toEqual(frame);
    closeFd(layer.bus);
    expect([socket.receive(got), socket.send(frame)]).toEqual([-1, false]);
  });

  it('refuses a frame when the queue is full', () => {
    using socket = CanSocket.open('can0', layerOf());
    const frame = new Uint8Array(CAN_FRAME_BYTES);
    let sent = 0;
    while (sent < 100_000 && socket.send(frame)) sent++;
    expect(sent).toBeLessThan(100_000);
  });

  it('says what to do when the interface is missing, is down, or the kernel has no CAN', () => {
    const missing = failure('can1', layerOf());
    expect([missing.code, missing.message]).toEqual([
      'BUS_UNAVAILABLE',
      'The bus can1 cannot be opened: there is no such interface',
    ]);
    expect(failure('can0', layerOf({ up: false })).hint).toBe(
      'Bring it up: ip link set can0 up type can bitrate 1000000',
    );
    expect(failure('can0', layerOf({ hasCan: false })).hint).toMatch(/modprobe can_raw.*slcan.*--dry-run/);
    for (const name of ['', 'a/b', 'x'.repeat(16)]) {
      expect(failure(name, layerOf()).message).toMatch(/no interface name/);
    }
  });

  it('opens an interface of this machine, or says clearly why not', () => {
    expect(() => CanSocket.open('nosuchcan0')).toThrow(
      /this kernel has no CAN|there is no such interface|EPERM/,
    );
  });
});
