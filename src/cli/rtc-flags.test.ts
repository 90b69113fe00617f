import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addRtcFlags, rtcOptions } from './rtc-flags.ts';

const parse = (...args: string[]) => {
  const command = addRtcFlags(new Command().exitOverride().configureOutput({ writeErr: () => undefined }));
  return rtcOptions(command.parse(args, { from: 'user' }).opts());
};

describe('the flags of real-time chunking', () => {
  it('are off unless --rtc is given, with or without its mode', () => {
    expect(parse()).toBeUndefined();
    expect(parse('--rtc-schedule', 'exp')).toBeUndefined();
    expect(parse('--rtc')).toEqual({});
    expect(parse('--rtc=trained')).toEqual({ mode: 'trained' });
    expect(parse('--rtc', 'guided', '--rtc-execution-horizon=12')).toEqual({
      mode: 'guided',
      executionHorizon: 12,
    });
    expect(parse('--rtc', '--rtc-max-guidance', '5', '--rtc-schedule', 'zeros')).toEqual({
      maxGuidance: 5,
      schedule: 'zeros',
    });
  });

  it.each([['--rtc=both'], ['--rtc-schedule=sometimes'], ['--rtc-max-guidance=0']])('refuse %s', (wrong) => {
    expect(() => parse(wrong)).toThrow();
  });
});
