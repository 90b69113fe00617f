import { describe, expect, it } from 'vitest';
import { LogFilter } from './log-filter.ts';

describe('the log filter', () => {
  it('tells a sentence once a second, however often it happens, and other sentences in between', () => {
    const filter = new LogFilter();
    const told: string[] = [];
    for (let ms = 0; ms < 3000; ms += 2) {
      const text = ms % 4 === 0 ? 'holds' : 'moves again';
      if (filter.tells(text, ms * 1e6)) told.push(`${text} ${ms}`);
    }
    expect(told).toEqual([
      'holds 0',
      'moves again 2',
      'holds 1000',
      'moves again 1002',
      'holds 2000',
      'moves again 2002',
    ]);
  });

  it('does not remember without bound', () => {
    const filter = new LogFilter();
    for (let i = 0; i < 1000; i++) expect(filter.tells(`sentence ${i}`, 0)).toBe(true);
  });
});
