import { expect, it } from 'vitest';
import { fitLine } from './fit-line.ts';

it('cuts a line to the terminal, and to 80 columns where the terminal says nothing or none', () => {
  expect(fitLine('x'.repeat(200), 40)).toHaveLength(39);
  expect(fitLine('x'.repeat(200), 0)).toHaveLength(79);
  expect(fitLine('inference 3 ms', 0)).toBe('inference 3 ms');
});
