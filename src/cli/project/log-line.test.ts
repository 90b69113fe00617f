import { expect, it } from 'vitest';
import { logLineWords } from './log-line.ts';

const line = (fields: object) =>
  JSON.stringify({ level: 'info', time: '2026-11-21T22:55:08.062Z', pid: 8, name: 'gateway', ...fields });

it('says a line of the log in words', () => {
  expect(logLineWords(line({ project: 'robot', stream: 'stdout', msg: 'standing' }))).toBe(
    '2026-11-21 22:55:08 robot | standing',
  );
  expect(logLineWords(line({ project: 'robot', stream: 'stderr', msg: 'ValueError: no' }))).toBe(
    '2026-11-21 22:55:08 robot ! ValueError: no',
  );
  expect(logLineWords(line({ source: 'control', level: 'error', msg: 'process 9 is gone' }))).toBe(
    '2026-11-21 22:55:08 control: error: process 9 is gone',
  );
  expect(logLineWords(line({ level: 'warn', msg: 'refused 10.0.0.9', code: 'TOKEN_REFUSED' }))).toBe(
    '2026-11-21 22:55:08 gateway: warn: refused 10.0.0.9 (TOKEN_REFUSED)',
  );
});

it('leaves alone what is no such line', () => {
  for (const text of ['', 'one', '{"a":1}', '{"level":']) expect(logLineWords(text)).toBe(text);
});
