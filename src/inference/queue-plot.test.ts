import { describe, expect, it } from 'vitest';
import { emptyShare, queuePlot, queueSparkline } from './queue-plot.ts';

const samples = [10, 5, 0, 0, 20].map((depth, i) => ({ atS: i * 0.5, depth }));

describe('the plot of the action queue', () => {
  it('is a well-formed picture with a point for every sample, and red where nothing was queued', () => {
    const svg = queuePlot(samples, 20);
    expect(svg.match(/points="([^"]*)"/)?.[1]?.split(' ')).toHaveLength(5);
    expect(svg).toContain('empty 40.0 %');
    expect(svg.match(/M[\d.]+ [\d.]+H[\d.]+/g)?.length).toBeGreaterThan(2);
    expect(svg.trim().startsWith('<svg') && svg.trim().endsWith('</svg>')).toBe(true);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('is a picture too when there is nothing to show', () => {
    expect(queuePlot([], 0)).not.toMatch(/NaN|Infinity|undefined/);
    expect(emptyShare([])).toBe(0);
  });

  it('is one line in a terminal, the newest last', () => {
    expect(queueSparkline(samples, 20, 10)).toBe('▄▂  █');
    expect(queueSparkline(samples, 20, 2)).toBe(' █');
  });
});
