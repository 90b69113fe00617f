import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { accept, closeFd, connect, listen, Poller, receive, send, socketPair } from './seqpacket.ts';

describe('seqpacket', () => {
  let folder = '';
  const open: number[] = [];
  const track = (fd: number): number => {
    open.push(fd);
    return fd;
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'myelin-seq-'));
  });
  afterEach(() => {
    for (const fd of open.splice(0)) closeFd(fd);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('carries records whole and in order', () => {
    const [a, b] = socketPair().map(track) as [number, number];
    const buffer = new Uint8Array(2048);
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 2048 }), { minLength: 1, maxLength: 8 }),
        (records) => {
          for (const record of records) expect(send(a, record, record.length)).toBe(true);
          for (const record of records) {
            const length = receive(b, buffer);
            expect(Buffer.from(buffer.subarray(0, length))).toEqual(Buffer.from(record));
          }
          expect(receive(b, buffer)).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('tells when the peer is gone, both when reading and when writing', () => {
    const [a, b] = socketPair().map(track) as [number, number];
    closeFd(b);
    expect(receive(a, new Uint8Array(4))).toBe(-1);
    expect(send(a, new Uint8Array(4), 4)).toBe(false);
  });

  it('refuses a record rather than waiting when the queue is full', () => {
    const [a] = socketPair().map(track) as [number, number];
    const record = new Uint8Array(1024);
    let sent = 0;
    while (sent < 100_000 && send(a, record, record.length)) sent++;
    expect(sent).toBeGreaterThan(10);
    expect(sent).toBeLessThan(100_000);
  });

  it('accepts connections, and answers -1 where nobody listens', () => {
    const path = join(folder, 'bus');
    expect(connect(path)).toBe(-1);
    const server = track(listen(path));
    expect(accept(server)).toBe(-1);
    const client = track(connect(path));
    const peer = track(accept(server));
    send(client, Uint8Array.of(1, 2, 3), 3);
    const buffer = new Uint8Array(8);
    expect(receive(peer, buffer)).toBe(3);
    expect([...buffer.subarray(0, 3)]).toEqual([1, 2, 3]);
  });

  it('takes over the socket file of a dead listener, never that of a live one or another file', () => {
    const path = join(folder, 'stale');
    closeFd(listen(path));
    track(listen(path));
    expect(() => listen(path)).toThrow(/Another process listens/);
    writeFileSync(join(folder, 'file'), 'text');
    expect(() => listen(join(folder, 'file'))).toThrow(/Another process listens/);
  });

  it('refuses a path too long for a socket address', () => {
    expect(() => connect(`/tmp/${'x'.repeat(108)}`)).toThrow(/shorter than 108 bytes/);
  });

  it('polls many descriptors and says which are ready', () => {
    const [a, b] = socketPair().map(track) as [number, number];
    const [c, d] = socketPair().map(track) as [number, number];
    const poller = new Poller();
    poller.set([b, -1, d]);
    expect(poller.wait(0)).toBe(0);
    send(c, Uint8Array.of(1), 1);
    expect(poller.wait(1e9)).toBe(1);
    expect([0, 1, 2, 3].map((i) => poller.ready(i))).toEqual([false, false, true, false]);
    closeFd(a);
    receive(d, new Uint8Array(1));
    expect(poller.wait(1e9)).toBe(1);
    expect(poller.ready(0)).toBe(true);
  });
});
