import { describe, expect, it } from 'vitest';
import { busLoad, longestFrameBits, shortestFrameBits } from './bus-load.ts';

describe('the load of a CAN bus', () => {
  it('counts a frame of eight bytes as 111 bits at best and 135 at worst', () => {
    expect(shortestFrameBits(8)).toBe(111);
    expect(longestFrameBits(8)).toBe(135);
  });

  it('counts a frame without data as 47 bits at best and 55 at worst', () => {
    expect(shortestFrameBits(0)).toBe(47);
    expect(longestFrameBits(0)).toBe(55);
  });

  it('finds seven motors at 500 Hz near the end of a 1 Mbit/s bus, and 1 kHz beyond it', () => {
    expect(busLoad(14, 500, 1e6)).toBeCloseTo(0.945, 9);
    expect(busLoad(14, 1000, 1e6)).toBeGreaterThan(1);
  });
});
