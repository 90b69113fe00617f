import { type Command, InvalidArgumentError, Option } from 'commander';
import type { RealTimeOptions } from '../inference/real-time-chunking.ts';
import type { PullSchedule, RealTimeMode } from '../policies/policy.ts';
import { number, whole } from './option-values.ts';

/** Real-time chunking, as every command that drives an arm takes it. */
export interface RtcFlags {
  /** `true`: the way the checkpoint says; `false`, which only a configuration file can say: not at all. */
  readonly rtc?: boolean | RealTimeMode;
  readonly rtcExecutionHorizon?: number;
  readonly rtcSchedule?: PullSchedule;
  readonly rtcMaxGuidance?: number;
}

const SCHEDULES: readonly PullSchedule[] = ['linear', 'exp', 'ones', 'zeros'];

function mode(text: string): RealTimeMode {
  if (text === 'guided' || text === 'trained') return text;
  throw new InvalidArgumentError('must be guided or trained, or left out: what the checkpoint says.');
}

/** Adds `--rtc` and its settings. */
export const addRtcFlags = (command: Command): Command =>
  command
    .addOption(
      new Option(
        '--rtc [mode]',
        'real-time chunking: have each chunk continue the one that runs; guided pulls any flow-matching policy, trained is for checkpoints trained so (default: what the checkpoint says)',
      ).argParser(mode),
    )
    .option(
      '--rtc-execution-horizon <rows>',
      'rows over which the pull falls to nothing (default: what the checkpoint says, else 10)',
      whole(1, 128),
    )
    .addOption(
      new Option(
        '--rtc-schedule <name>',
        'how the pull falls (default: what the checkpoint says, else linear)',
      ).choices(SCHEDULES),
    )
    .option(
      '--rtc-max-guidance <weight>',
      'hardest pull (default: what the checkpoint says, else 10)',
      number(0.001, 1000),
    );

/** The flags as the inference node takes them; undefined without `--rtc`. */
export function rtcOptions(flags: RtcFlags): RealTimeOptions | undefined {
  const { rtc, rtcExecutionHorizon, rtcSchedule, rtcMaxGuidance } = flags;
  if (rtc === undefined || rtc === false) return undefined;
  return {
    ...(rtc === true ? {} : { mode: rtc }),
    ...(rtcExecutionHorizon === undefined ? {} : { executionHorizon: rtcExecutionHorizon }),
    ...(rtcSchedule === undefined ? {} : { schedule: rtcSchedule }),
    ...(rtcMaxGuidance === undefined ? {} : { maxGuidance: rtcMaxGuidance }),
  };
}
