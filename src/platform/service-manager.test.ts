import { closeSync, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { libc } from './libc.ts';
import { outputIsKept, ServiceManager } from './service-manager.ts';
import { openPty } from './tty.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-notify-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The other end: a datagram socket as a service manager has it. */
function listenAt(address: string): { next(): string; close(): void } {
  const c = libc();
  const fd = c.socket(1, 2, 0);
  const name = Buffer.from(`\x01\0${address.replace(/^@/, '\0')}`);
  expect(c.bind(fd, name, name.length)).toBe(0);
  const bytes = Buffer.alloc(4096);
  const DONT_WAIT = 0x40;
  return {
    next: () => String(bytes.subarray(0, Math.max(0, c.recv(fd, bytes, bytes.length, DONT_WAIT)))),
    close: () => c.close(fd),
  };
}

describe('a service manager', () => {
  it.each([
    ['a socket file', join(folder, 'notify')],
    ['an abstract socket', `@myelin-notify-${process.pid}`],
  ])('is told over %s', (_what, address) => {
    const manager = listenAt(address);
    const teller = new ServiceManager({ NOTIFY_SOCKET: address });
    expect(teller.tell('READY=1', 'STATUS=listening')).toBe(true);
    expect(teller.tell('STOPPING=1')).toBe(true);
    expect([manager.next(), manager.next()]).toEqual(['READY=1\nSTATUS=listening', 'STOPPING=1']);
    manager.close();
  });

  it('is not there without a socket, and nothing is told', () => {
    expect(new ServiceManager({}).tell('READY=1')).toBe(false);
    expect(new ServiceManager({ NOTIFY_SOCKET: 'vsock:2:1' }).tell('READY=1')).toBe(false);
    expect(new ServiceManager({ WATCHDOG_USEC: '1000000' }).watchdogMs).toBeUndefined();
  });

  it('that has gone is an error with its reason', () => {
    const gone = new ServiceManager({ NOTIFY_SOCKET: join(folder, 'gone') });
    expect(() => gone.tell('READY=1')).toThrow(/Telling .*gone failed: ENOENT/);
  });

  it('that does not read holds nobody up', () => {
    const manager = listenAt(join(folder, 'deaf'));
    const teller = new ServiceManager({ NOTIFY_SOCKET: join(folder, 'deaf') });
    const flood = () => {
      for (let count = 0; count < 100_000; count++) teller.tell('WATCHDOG=1');
    };
    expect(flood).toThrow(/EAGAIN|EWOULDBLOCK/);
    manager.close();
  });

  it('says how often it wants a sign of life, to the process it means', () => {
    const wish = { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '30000000' };
    expect(new ServiceManager({ ...wish }).watchdogMs).toBe(30_000);
    expect(new ServiceManager({ ...wish, WATCHDOG_PID: '7' }, 7).watchdogMs).toBe(30_000);
    expect(new ServiceManager({ ...wish, WATCHDOG_PID: '7' }, 8).watchdogMs).toBeUndefined();
  });

  it('means this process alone: children do not inherit its variables', () => {
    const environment = { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '1', WATCHDOG_PID: '1', HOME: '/' };
    new ServiceManager(environment);
    expect(environment).toEqual({ HOME: '/' });
  });
});

describe('standard output', () => {
  it('is kept when this very stream is the journal, or a container writes anywhere but to a terminal', () => {
    const fd = openSync(join(folder, 'stream'), 'w');
    const { dev, ino } = fstatSync(fd);
    expect(outputIsKept({ JOURNAL_STREAM: `${dev}:${ino}` }, fd)).toBe(true);
    expect(outputIsKept({ JOURNAL_STREAM: `${dev}:${ino + 1}` }, fd)).toBe(false);
    expect(outputIsKept({ container: 'docker' }, fd)).toBe(true);
    expect(outputIsKept({}, fd)).toBe(false);
    closeSync(fd);
    using terminal = openPty();
    expect(outputIsKept({ container: 'docker' }, terminal.fd)).toBe(false);
  });
});
