import { describe, expect, it } from 'vitest';
import { armDescription } from '../arms/catalogue.ts';
import type { MotorReport } from '../arms/driver.ts';
import { parseControlConfig } from './control-config.ts';
import { startBanner } from './start-banner.ts';

const description = armDescription('X5');
const motors: MotorReport[] = description.motors.map(({ joint, canId, model }, index) => ({
  joint,
  canId,
  model,
  positionMaxRad: 12.5,
  velocityMaxRadS: 45,
  torqueMaxNm: 18,
  rangesFrom: index < 3 ? 'data sheet' : 'motor',
  communicationTimeoutMs: [undefined, undefined, undefined, 400, 400, 400, 0][index],
}));

const banner = (settings: Record<string, unknown>, refused: string[] = []): string[] =>
  startBanner(parseControlConfig(settings, 'test'), description, 42, {
    report: { motors, warnings: [] },
    busLoad: 0.823,
    granted: ['SCHED_FIFO priority 80', 'exact timers'],
    refused,
  });

describe('the start banner', () => {
  it('says what is in force', () => {
    expect(banner({ interface: 'world:test', trace: '/tmp/t' }).join('\n')).toMatchInlineSnapshot(`
      "ARX X5 on world:test at 500 Hz, segment arx5_control, loop is process 42
      Limits (rad, m, Nm, N; a command beyond them is clamped and counted):
        joint    from   to     velocity  accel  jerk  torque  motor     id  scale       own timeout
        joint1   -3.14  2.618  5         15     500   30      EC_A4310  1   data sheet  not told
        joint2   -0.05  3.5    5         15     500   40      EC_A4310  2   data sheet  not told
        joint3   -0.1   3.2    5.5       15     500   30      EC_A4310  4   data sheet  not told
        joint4   -1.6   1.55   5.5       25     800   15      DM_J4310  5   motor       400 ms
        joint5   -1.57  1.57   5         25     800   10      DM_J4310  6   motor       400 ms
        joint6   -2     2      5         25     800   10      DM_J4310  7   motor       400 ms
        gripper  0      0.088  0.3       3      100   85.74   DM_J4310  8   motor       OFF
      Table: no part of the arm goes below z = 0 m in its base frame
      Timers: hold after 200 ms without an action, pause after 1000 ms without a heartbeat, stop after 100 ms without feedback; the guardian acts after 40 ms without a tick
      Bus: 82 % of 1 Mbit/s in use
      Granted by the system: SCHED_FIFO priority 80, exact timers
      Trace: the last 60 s in /tmp/t"
    `);
  });

  it('does not hide what was refused or switched off', () => {
    const text = banner({ 'table-plane': 'off' }, ['SCHED_FIFO priority 80 refused (EPERM)']).join('\n');
    expect(text).toContain('Table: none (--table-plane off)');
    expect(text).toContain('Refused by the system: SCHED_FIFO priority 80 refused (EPERM)');
    expect(text).toMatch(/gripper .* OFF/);
  });
});
