import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { MyelinError } from '../core/errors.ts';
import { DEFAULT_ARM_SEGMENT } from '../segment/arm-layout.ts';

/**
 * Everything that can be set about the control process. The ranges are the safety argument: a watchdog can be
 * tuned, but neither switched off nor made so slow that it no longer protects.
 */

/** A number in a closed range. Every failure carries the same words: what is allowed. */
const between = (least: number, most: number, unit: string) => {
  const error = `a number from ${least} to ${most}${unit && ` ${unit}`}`;
  return z.number({ error }).min(least, { error }).max(most, { error });
};

const wholeBetween = (least: number, most: number) => {
  const error = `a whole number from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
};

const matching = (pattern: RegExp, error: string) => z.string({ error }).regex(pattern, { error });

const SHAPE = {
  /** Arm model; it decides limits, gains and motors. */
  model: z.enum(['X5', 'L5'], { error: 'X5 or L5' }).default('X5'),
  interface: matching(
    /^(world:[\w.-]+|slcan:\/.+|[A-Za-z][\w.-]{0,14})$/,
    'a CAN interface (can0), slcan:/dev/ttyACM0 or world:NAME',
  ).default('can0'),
  /** `auto` is the description that ships with the model. */
  urdf: matching(/^.+$/, 'auto, or the path of a URDF file').default('auto'),
  controlFrequencyHz: between(100, 1000, 'Hz').default(500),
  commandTimeoutS: between(0.02, 2, 's').default(0.2),
  watchdogTimeoutS: between(0.1, 10, 's').default(1),
  /** Oldest motor feedback the loop moves on; older is a fault. */
  feedbackTimeoutS: between(0.01, 0.5, 's').default(0.1),
  /** Rate of the rows of a chunk in the first page, which does not say it itself. */
  policyFrequencyHz: between(1, 200, 'Hz').default(30),
  /** No part of the arm goes below this height in its base frame, m. NaN: there is no table (an arm on a wall). */
  tablePlaneZ: z
    .union([z.literal('off').transform(() => Number.NaN), between(-1, 1, 'm')], {
      error: 'a number from -1 to 1 m, or off',
    })
    .default(0),
  /** Motor angle of the fully open gripper; newer grippers turn the other way. Default: what the model has. */
  gripperReadoutRad: between(-12, 12, 'rad').optional(),
  gripperWidthM: between(0.01, 0.2, 'm').optional(),
  segment: matching(/^[\w.-]{1,64}$/, 'letters, digits, dots, dashes or underscores').default(
    DEFAULT_ARM_SEGMENT,
  ),
  dryRun: z.boolean({ error: 'true or false' }).default(false),
  trace: matching(/^.+$/, 'the path of a file').optional(),
  /** The trace file keeps this much; older ticks are overwritten. */
  traceLengthS: between(1, 600, 's').default(60),
  /**
   * SCHED_FIFO priority of the loop, if the system grants it; its helper threads and its guardian take the two below.
   * 0 does not ask.
   */
  priority: wholeBetween(0, 90).default(80),
  cpu: wholeBetween(0, 1023).optional(),
  /** The loop sleeps until this long before its deadline and spins through the rest. Left out: 200 with SCHED_FIFO, else 0. */
  spinUs: between(0, 500, 'us').optional(),
  /** Without a tick for this long the guardian takes the arm. */
  guardianTimeoutS: between(0.01, 0.25, 's').default(0.04),
  /** The guardian sends damping frames at least until the arm rests and at most this long. */
  guardianDampS: between(0.5, 60, 's').default(10),
  /** Without a sign of the guardian for this long the loop brings the arm to rest. */
  guardianHeartbeatTimeoutS: between(0.1, 5, 's').default(0.5),
} as const;

const schema = z.strictObject(SHAPE).refine((config) => config.commandTimeoutS <= config.watchdogTimeoutS, {
  path: ['watchdogTimeoutS'],
  error: 'at least the command timeout: the arm holds first and pauses later',
});

export type ControlConfig = z.output<typeof schema>;
export type ControlConfigKey = keyof ControlConfig;

/** A key's name on the command line and in a configuration file, where it stands in the help, and what it is. */
export interface ControlOption {
  readonly flag: string;
  readonly argument?: string;
  readonly doc: string;
}

export const CONTROL_OPTIONS: Readonly<Record<ControlConfigKey, ControlOption>> = {
  model: { flag: 'model', argument: '<name>', doc: 'arm model: X5 (silver and black) or L5 (all black)' },
  interface: { flag: 'interface', argument: '<bus>', doc: 'can0, slcan:/dev/ttyACM0 or world:NAME' },
  urdf: { flag: 'urdf', argument: '<path>', doc: 'arm description; auto = the one of the model' },
  controlFrequencyHz: { flag: 'control-freq', argument: '<hz>', doc: 'ticks per second' },
  commandTimeoutS: {
    flag: 'command-timeout',
    argument: '<s>',
    doc: 'hold after this long without a fresh action',
  },
  watchdogTimeoutS: {
    flag: 'watchdog-timeout',
    argument: '<s>',
    doc: 'pause after this long without a heartbeat',
  },
  feedbackTimeoutS: {
    flag: 'feedback-timeout',
    argument: '<s>',
    doc: 'stop when a motor is silent for this long',
  },
  policyFrequencyHz: {
    flag: 'policy-freq',
    argument: '<hz>',
    doc: 'rows per second of actions in the first page',
  },
  tablePlaneZ: {
    flag: 'table-plane',
    argument: '<m>',
    doc: 'height nothing goes below, in the base frame, or off',
  },
  gripperReadoutRad: {
    flag: 'gripper-readout',
    argument: '<rad>',
    doc: 'motor angle of the open gripper, about -3.4 on newer ones',
  },
  gripperWidthM: {
    flag: 'gripper-width',
    argument: '<m>',
    doc: 'opening of the gripper, about 0.082 on newer ones',
  },
  segment: {
    flag: 'segment',
    argument: '<name>',
    doc: 'shared memory in which state and actions are exchanged',
  },
  dryRun: { flag: 'dry-run', doc: 'simulate: start a world, run the real loop and driver on it' },
  trace: { flag: 'trace', argument: '<file>', doc: 'record every tick; read it with: myelin trace FILE' },
  traceLengthS: { flag: 'trace-length', argument: '<s>', doc: 'how much the trace file keeps' },
  priority: { flag: 'priority', argument: '<n>', doc: 'real-time priority to ask for; 0 asks for none' },
  cpu: { flag: 'cpu', argument: '<n>', doc: 'core to run the loop on' },
  spinUs: {
    flag: 'spin',
    argument: '<us>',
    doc: 'busy-wait this long before each deadline (default: 200 with real-time priority, else 0)',
  },
  guardianTimeoutS: {
    flag: 'guardian-timeout',
    argument: '<s>',
    doc: 'guardian takes the arm after this long without a tick',
  },
  guardianDampS: { flag: 'guardian-damp', argument: '<s>', doc: 'longest time the guardian damps the arm' },
  guardianHeartbeatTimeoutS: {
    flag: 'guardian-heartbeat',
    argument: '<s>',
    doc: 'come to rest after this long without the guardian',
  },
};

/** What holds when nothing is said. */
export const controlDefaults: ControlConfig = schema.parse({});

const KEYS = Object.keys(CONTROL_OPTIONS) as ControlConfigKey[];
const keyOf = (flag: string): ControlConfigKey | undefined =>
  KEYS.find((key) => CONTROL_OPTIONS[key].flag === flag);

/**
 * Checks settings given by flag name (`control-freq`, as on the command line and in a file) and fills in defaults.
 * Numbers may be text, as the command line gives them. `file` says where the settings are from.
 * @throws MyelinError CONFIG_INVALID with the key, its value and what is allowed
 */
export function parseControlConfig(settings: Readonly<Record<string, unknown>>, file: string): ControlConfig {
  const named: Record<string, unknown> = {};
  for (const [flag, value] of Object.entries(settings)) {
    const key = keyOf(flag);
    if (key === undefined) {
      const known = KEYS.map((other) => CONTROL_OPTIONS[other].flag).join(', ');
      throw new MyelinError('CONFIG_INVALID', {
        file,
        detail: `there is no key "${flag}"; the keys are ${known}`,
      });
    }
    named[key] = typeof value === 'string' && isNumeric(key) ? numberOrText(value) : value;
  }
  const result = schema.safeParse(named);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = String(issue?.path[0] ?? '') as ControlConfigKey;
  const detail = `${CONTROL_OPTIONS[key].flag} is ${JSON.stringify(named[key])}, but must be ${issue?.message}`;
  throw new MyelinError('CONFIG_INVALID', { file, detail }, { cause: result.error });
}

/** The settings that {@link parseControlConfig} turns into `config` again, to hand them to another process. */
export const controlSettings = (config: ControlConfig): Record<string, unknown> =>
  Object.fromEntries(
    KEYS.filter((key) => config[key] !== undefined).map((key) => {
      const value = config[key];
      return [CONTROL_OPTIONS[key].flag, Number.isNaN(value) ? 'off' : value];
    }),
  );

/** An argument that is a unit is a number. */
const NUMERIC_ARGUMENTS = new Set(['<hz>', '<s>', '<m>', '<us>', '<rad>', '<n>']);
const isNumeric = (key: ControlConfigKey): boolean =>
  NUMERIC_ARGUMENTS.has(CONTROL_OPTIONS[key].argument ?? '');
const numberOrText = (text: string): number | string =>
  text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;

/**
 * Reads the settings of a YAML file. The keys are the long options without their dashes; unknown ones are refused
 * later, by {@link parseControlConfig}.
 * @throws MyelinError FILE_NOT_FOUND, CONFIG_INVALID
 */
export function readControlSettings(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
  }
  try {
    const content: unknown = parse(text, { strict: true, uniqueKeys: true, maxAliasCount: 0 }) ?? {};
    return z
      .record(z.string(), z.unknown(), { error: 'it must be a list of "key: value" lines' })
      .parse(content);
  } catch (cause) {
    const detail =
      cause instanceof z.ZodError
        ? String(cause.issues[0]?.message)
        : (cause as Error).message.split('\n')[0];
    throw new MyelinError('CONFIG_INVALID', { file, detail: detail ?? '' }, { cause });
  }
}
