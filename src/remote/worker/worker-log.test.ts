import { describe, expect, it } from 'vitest';
import { LOG_LEVELS, type LogLevel, WorkerLog } from './worker-log.ts';

const linesAt = (level: LogLevel): string[] => {
  const lines: string[] = [];
  const log = new WorkerLog(level, (line) => lines.push(line));
  log.published({ type: 'log', project: 'wave', stream: 'stdout', text: 'hello' });
  log.published({ type: 'log', project: 'wave', stream: 'system', text: 'is loaded again' });
  log.published({ type: 'progress', stage: 'unpack', text: '3 files' });
  log.published({ type: 'push', project: 'wave', event: 'seen', data: 1 });
  log.answered('process', 'success', 1.25);
  return lines;
};

describe('the output of a worker', () => {
  it('is what its level says', () => {
    const printed = ['[wave] hello', '[wave] is loaded again', '[upload] 3 files'];
    expect(Object.fromEntries(LOG_LEVELS.map((level) => [level, linesAt(level)]))).toEqual({
      trace: [...printed, '[worker] process: success in 1.3 ms'],
      debug: [...printed, '[worker] process: success in 1.3 ms'],
      info: printed,
      warn: ['[wave] is loaded again'],
      error: [],
      fatal: [],
    });
  });
});
