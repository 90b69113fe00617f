import type { ArmDescription } from '../arms/catalogue.ts';
import type { ArmReport, MotorReport } from '../arms/driver.ts';
import type { ControlConfig } from './control-config.ts';

export interface StartReport {
  readonly report: ArmReport;
  /** Share of the bus in use at the control rate, 0 to 1. */
  readonly busLoad: number;
  readonly granted: readonly string[];
  readonly refused: readonly string[];
}

const number = (value: number | undefined): string =>
  value === undefined ? '-' : String(Number(value.toPrecision(4)));

const HEADING = [
  'joint',
  'from',
  'to',
  'velocity',
  'accel',
  'jerk',
  'torque',
  'motor',
  'id',
  'scale',
  'own timeout',
];

/** What is in force, told once at the start: limits, timers, motors, and what the system granted and refused. */
export function startBanner(
  config: ControlConfig,
  description: ArmDescription,
  loopPid: number,
  { report, busLoad, granted, refused }: StartReport,
): string[] {
  const ms = (seconds: number): string => `${number(seconds * 1000)} ms`;
  return [
    `${description.title} on ${config.interface} at ${config.controlFrequencyHz} Hz, segment ${config.segment}, loop is process ${loopPid}`,
    `Limits (rad, m, Nm, N; a command beyond them is clamped and counted):`,
    ...table([HEADING, ...description.jointNames.map((_, joint) => jointRow(description, report, joint))]),
    Number.isNaN(config.tablePlaneZ)
      ? 'Table: none (--table-plane off)'
      : `Table: no part of the arm goes below z = ${number(config.tablePlaneZ)} m in its base frame`,
    `Timers: hold after ${ms(config.commandTimeoutS)} without an action, pause after ${ms(config.watchdogTimeoutS)} without a heartbeat, stop after ${ms(config.feedbackTimeoutS)} without feedback; the guardian acts after ${ms(config.guardianTimeoutS)} without a tick`,
    `Bus: ${Math.round(busLoad * 100)} % of ${description.busBitRate / 1e6} Mbit/s in use`,
    `Granted by the system: ${granted.join(', ') || 'nothing'}`,
    ...refused.map((text) => `Refused by the system: ${text}`),
    ...(config.trace === undefined ? [] : [`Trace: the last ${config.traceLengthS} s in ${config.trace}`]),
  ];
}

function jointRow({ jointNames, limits }: ArmDescription, report: ArmReport, joint: number): string[] {
  const motor: MotorReport | undefined = report.motors[joint];
  return [
    jointNames[joint] ?? '',
    number(limits.positionMin[joint]),
    number(limits.positionMax[joint]),
    number(limits.velocityMax[joint]),
    number(limits.accelerationMax[joint]),
    number(limits.jerkMax[joint]),
    number(limits.torqueMax[joint]),
    motor?.model ?? '-',
    String(motor?.canId ?? '-'),
    motor?.rangesFrom ?? '-',
    ownTimeout(motor?.communicationTimeoutMs),
  ];
}

const ownTimeout = (ms: number | undefined): string =>
  ms === undefined ? 'not told' : ms === 0 ? 'OFF' : `${number(ms)} ms`;

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADING.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
}
