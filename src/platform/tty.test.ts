import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { monotonicNs } from './clock.ts';
import { openPty, openTty, type Tty } from './tty.ts';

/** Reads until `count` bytes have come, for at most a second. */
const readAll = (tty: Tty, count: number): number[] => {
  const got: number[] = [];
  const buffer = new Uint8Array(4096);
  const deadline = monotonicNs() + 1e9;
  while (got.length < count && monotonicNs() < deadline) {
    const length = tty.read(buffer);
    if (length > 0) got.push(...buffer.subarray(0, length));
  }
  return got;
};

describe('tty', () => {
  it('passes every byte as it is, both ways, at the rates arms use', () => {
    const all = Uint8Array.from({ length: 256 }, (_, value) => value);
    for (const baud of [9600, 115200, 500_000, 1_000_000, 2_000_000, 921_600]) {
      using pty = openPty();
      using port = openTty(pty.path, baud);
      expect(port.write(all)).toBe(256);
      expect(readAll(pty, 256)).toEqual([...all]);
      expect(pty.write(all, 200)).toBe(200);
      expect(readAll(port, 200)).toEqual([...all.subarray(0, 200)]);
    }
  });

  it('keeps order over any sequence of writes', () => {
    using pty = openPty();
    using port = openTty(pty.path, 1_000_000);
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 64 }), { minLength: 1, maxLength: 8 }),
        (parts) => {
          for (const part of parts) expect(port.write(part)).toBe(part.length);
          const sent = parts.flatMap((part) => [...part]);
          expect(readAll(pty, sent.length)).toEqual(sent);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('gives 0 when nothing has come, and -1 when the device is gone', () => {
    const pty = openPty();
    const buffer = new Uint8Array(8);
    expect(pty.read(buffer)).toBe(0);
    using port = openTty(pty.path, 115200);
    expect([port.read(buffer), pty.read(buffer)]).toEqual([0, 0]);
    pty.close();
    expect(port.read(buffer)).toBe(-1);
    expect(port.write(buffer)).toBe(-1);
  });

  it('takes no bytes, rather than waiting, when the other end does not read', () => {
    using pty = openPty();
    using port = openTty(pty.path, 115200);
    const block = new Uint8Array(1024);
    let writes = 0;
    while (writes < 1000 && port.write(block) > 0) writes++;
    expect(writes).toBeLessThan(1000);
  });

  it('says what is wrong with a path that is no serial port', () => {
    expect(() => openTty('/dev/ttyNOSUCH', 115200)).toThrow(
      'The bus /dev/ttyNOSUCH cannot be opened: ENOENT',
    );
    expect(() => openTty('/dev/null', 115200)).toThrow('The bus /dev/null cannot be opened: ENOTTY');
  });
});
