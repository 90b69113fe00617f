import { describe, expect, it } from 'vitest';
import { LogIntake } from './log-intake.ts';

const intake = () => {
  const told: string[] = [];
  const clock = { nowS: 0 };
  const log = new LogIntake(
    (stream, text) => told.push(`${stream}: ${text}`),
    () => clock.nowS,
  );
  return { told, clock, log };
};

describe('LogIntake', () => {
  it('drops a flood, and tells how much of it', () => {
    const { told, clock, log } = intake();
    for (let i = 0; i < 5000; i++) log.line('stdout', `line ${i}`);
    expect(told).toHaveLength(2000);
    clock.nowS = 0.01;
    log.line('stdout', 'later');
    expect(told.slice(2000)).toEqual([
      'system: 3000 lines were dropped: more than 500 a second',
      'stdout: later',
    ]);
  });

  it('lets 500 lines a second pass for ever', () => {
    const { told, clock, log } = intake();
    for (let second = 0; second < 20; second++) {
      clock.nowS = second;
      for (let i = 0; i < 500; i++) log.line('stderr', 'x');
    }
    expect(told).toHaveLength(10_000);
  });

  it('cuts a line over 8 KiB and says so', () => {
    const { told, log } = intake();
    log.stream('stdout').write(Buffer.from(`${'x'.repeat(20_000)}\nshort\n`));
    expect(told[0]).toMatch(/^stdout: x{8192} \.\.\. \(cut/);
    expect(told[1]).toBe('stdout: short');
  });
});
