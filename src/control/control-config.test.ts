import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  CONTROL_OPTIONS,
  controlSettings,
  parseControlConfig,
  readControlSettings,
} from './control-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (text: string): string => {
  const path = join(folder, 'control.yaml');
  writeFileSync(path, text);
  return path;
};
const parse = (settings: Record<string, unknown>) => parseControlConfig(settings, 'test');

describe('the control configuration', () => {
  it('has the published defaults', () => {
    expect(parse({})).toMatchObject({
      model: 'X5',
      interface: 'can0',
      urdf: 'auto',
      controlFrequencyHz: 500,
      commandTimeoutS: 0.2,
      watchdogTimeoutS: 1,
      dryRun: false,
      segment: 'arx5_control',
    });
  });

  it('takes numbers as the command line writes them', () => {
    expect(parse({ 'control-freq': '250', 'table-plane': '-0.1' })).toMatchObject({
      controlFrequencyHz: 250,
      tablePlaneZ: -0.1,
    });
  });

  it.each([
    [{ 'control-freq': 5000 }, 'control-freq is 5000, but must be a number from 100 to 1000 Hz'],
    [{ 'control-freq': 'fast' }, 'control-freq is "fast", but must be a number from 100 to 1000 Hz'],
    [{ 'watchdog-timeout': 0 }, 'watchdog-timeout is 0, but must be a number from 0.1 to 10 s'],
    [{ 'watchdog-timeout': 'off' }, 'watchdog-timeout is "off", but must be a number from 0.1 to 10 s'],
    [{ 'command-timeout': Number.POSITIVE_INFINITY }, 'but must be a number from 0.02 to 2 s'],
    [
      { 'command-timeout': 2, 'watchdog-timeout': 1 },
      'watchdog-timeout is 1, but must be at least the command timeout',
    ],
    [{ 'table-plane': 'of' }, 'table-plane is "of", but must be a number from -1 to 1 m, or off'],
    [{ model: 'X6' }, 'model is "X6", but must be X5 or L5'],
    [{ priority: 99 }, 'priority is 99, but must be a whole number from 0 to 90'],
    [{ priority: 50.5 }, 'priority is 50.5, but must be a whole number from 0 to 90'],
    [{ segment: '../etc' }, 'segment is "../etc", but must be letters, digits'],
    [{ interface: 'can0; reboot' }, 'but must be a CAN interface (can0)'],
    [{ watchdog: 1 }, 'there is no key "watchdog"; the keys are model, interface'],
  ])('refuses %j and says what is allowed', (settings, message) => {
    expect(() => parse(settings)).toThrow(message);
  });

  it.each([
    'command-timeout',
    'watchdog-timeout',
    'feedback-timeout',
    'guardian-timeout',
    'guardian-heartbeat',
  ])('cannot express a %s that is switched off', (flag) => {
    for (const value of [0, -1, 'off', null, false, Number.NaN, Number.POSITIVE_INFINITY, 1e9]) {
      expect(() => parse({ [flag]: value })).toThrow(`${flag} is`);
    }
  });

  it('turns the table plane off only when told to', () => {
    expect(parse({ 'table-plane': 'off' }).tablePlaneZ).toBeNaN();
    expect(() => parse({ 'table-plane': Number.NaN })).toThrow('or off');
  });

  it('survives the way to another process', () => {
    const config = parse({ 'table-plane': 'off', cpu: 1, trace: '/tmp/a b.trace', 'control-freq': 333 });
    expect(parse(JSON.parse(JSON.stringify(controlSettings(config))))).toEqual(config);
  });

  it('gives every option a flag of its own and an explanation', () => {
    const options = Object.values(CONTROL_OPTIONS);
    expect(new Set(options.map((option) => option.flag)).size).toBe(options.length);
    for (const option of options) expect(option.doc.length).toBeGreaterThan(5);
  });
});

describe('a configuration file', () => {
  it('uses the names of the options', () => {
    const settings = readControlSettings(
      file('# my arm\nmodel: L5\ninterface: slcan:/dev/ttyACM0\ncommand-timeout: 0.1\n'),
    );
    expect(parse(settings)).toMatchObject({
      model: 'L5',
      interface: 'slcan:/dev/ttyACM0',
      commandTimeoutS: 0.1,
    });
  });

  it('may be empty', () => {
    expect(readControlSettings(file('# nothing yet\n'))).toEqual({});
  });

  it.each([
    ['- a\n- b\n', 'it must be a list of "key: value" lines'],
    ['model: X5\nmodel: L5\n', 'Map keys must be unique'],
    ['model: [X5\n', 'is not valid'],
  ])('that reads %j is refused', (text, message) => {
    expect(() => readControlSettings(file(text))).toThrow(message);
  });

  it('that is missing is named', () => {
    expect(() => readControlSettings('/no/such.yaml')).toThrow('/no/such.yaml does not exist');
  });
});
