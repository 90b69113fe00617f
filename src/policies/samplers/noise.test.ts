import { describe, expect, it } from 'vitest';
import { normalNoise } from './noise.ts';

describe('seeded noise', () => {
  it('is standard normal', () => {
    const noise = normalNoise(7, 40_001);
    const mean = noise.reduce((sum, value) => sum + value, 0) / noise.length;
    const variance = noise.reduce((sum, value) => sum + (value - mean) ** 2, 0) / noise.length;
    const beyondTwo = noise.filter((value) => Math.abs(value) > 2).length / noise.length;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.abs(variance - 1)).toBeLessThan(0.03);
    expect(Math.abs(beyondTwo - 0.0455)).toBeLessThan(0.005);
    expect(noise.every(Number.isFinite)).toBe(true);
  });

  it('is the same for the same seed, and another for another', () => {
    expect(normalNoise(3, 9)).toEqual(normalNoise(3, 9));
    expect(normalNoise(3, 9)).toEqual(normalNoise(3, 12).slice(0, 9));
    expect(normalNoise(3, 9)).not.toEqual(normalNoise(4, 9));
  });
});
