import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frameBitRange, frameBits } from './bit-time.ts';

const frame = fc.record({
  id: fc.integer({ min: 0, max: 0x7ff }),
  data: fc.uint8Array({ maxLength: 8 }),
});

/** The same count by writing the frame out as text: polynomial division, then a stuff bit after every run of five. */
function bitsAsText(id: number, data: Uint8Array): number {
  const word = (value: number, bits: number) => value.toString(2).padStart(bits, '0');
  const content = `0${word(id, 11)}000${word(data.length, 4)}${[...data].map((b) => word(b, 8)).join('')}`;
  const rest = [...content, ...'0'.repeat(15)].map(Number);
  const polynomial = [...word(0x8000 | 0x4599, 16)].map(Number);
  for (let i = 0; i < content.length; i += 1) {
    if (rest[i] !== 1) continue;
    for (let j = 0; j < polynomial.length; j += 1) rest[i + j] = rest[i + j]! ^ polynomial[j]!;
  }
  const wire = content + rest.slice(-15).join('');
  let previous = '';
  let run = 0;
  let count = 0;
  for (const bit of wire) {
    count += 1;
    run = bit === previous ? run + 1 : 1;
    previous = bit;
    if (run < 5) continue;
    count += 1;
    previous = bit === '0' ? '1' : '0';
    run = 1;
  }
  return count + 13;
}

describe('the length of a CAN frame', () => {
  it('counts stuff bits exactly', () => {
    expect(frameBits(0x001, Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 0xfc), 8)).toBe(125);
    expect(frameBits(0x000, new Uint8Array(8), 8)).toBe(127);
    expect(frameBits(0x7ff, new Uint8Array(8).fill(255), 8)).toBe(126);
    expect(frameBits(0x123, new Uint8Array(8), 0)).toBe(48);
    expect(frameBits(0x7ff, Uint8Array.of(1, 0, 0x33, 21), 4)).toBe(84);
  });

  it('is that of the frame written out bit by bit', () => {
    fc.assert(
      fc.property(frame, ({ id, data }) => frameBits(id, data, data.length) === bitsAsText(id, data)),
    );
  });

  it('stays between no stuffing and the most there can be', () => {
    expect(frameBitRange(8)).toEqual({ least: 111, most: 135 });
    fc.assert(
      fc.property(frame, ({ id, data }) => {
        const { least, most } = frameBitRange(data.length);
        const bits = frameBits(id, data, data.length);
        return bits >= least && bits <= most;
      }),
    );
  });
});
