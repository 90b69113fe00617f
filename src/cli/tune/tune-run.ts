import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { recommend, trialName } from './recommend.ts';
import { tuneReport } from './report.ts';
import { type Axes, centre, grid, settingText, sweeps } from './settings.ts';
import { type Conditions, type Trial, trySetting } from './try-setting.ts';

export interface TuneOptions {
  readonly axes: Axes;
  readonly conditions: Conditions;
  /** Only the sweeps, not every combination. */
  readonly sweepsOnly: boolean;
  /** Folder of the report. */
  readonly out: string;
  /** How the report is made again. */
  readonly command: string;
}

/** Tries the settings and writes the report. Returns the exit code. */
export async function runTune({ axes, conditions, sweepsOnly, out, command }: TuneOptions): Promise<number> {
  const say = (text: string) => process.stdout.write(`${text}\n`);
  const around = centre(axes);
  const settings = sweepsOnly ? sweeps(axes, around) : grid(axes);
  // A folder that cannot be written is said before the work, not after it.
  writing(out, () => mkdirSync(out, { recursive: true }));
  say(
    `trying ${settings.length} settings in ${conditions.scenes} ${conditions.scenes === 1 ? 'scene' : 'scenes'} each, simulated`,
  );
  const startedMs = performance.now();
  const trials: Trial[] = [];
  for (const setting of settings) {
    const trial = await trySetting(setting, conditions);
    trials.push(trial);
    const { emptyShare, rmsJerk, observationHz, cubesSorted, cubes } = trial;
    say(
      `${String(trials.length).padStart(3)}/${settings.length}  ${settingText(setting).padEnd(46)}  empty ${(100 * emptyShare).toFixed(1).padStart(5)} %  jerk ${rmsJerk.toFixed(1).padStart(6)} rad/s^3  ${observationHz.toFixed(1).padStart(5)} obs/s  ${cubesSorted}/${cubes} cubes`,
    );
  }
  for (const [name, text] of tuneReport({ command, axes, around, conditions, trials }))
    writing(join(out, name), () => writeFileSync(join(out, name), text));
  const { trial, reasons } = recommend(trials);
  say(`\nrecommended: ${trialName(trial)}`);
  for (const reason of reasons) say(`  ${reason}`);
  say(
    `\nreport in ${join(resolve(out), 'report.md')} (${((performance.now() - startedMs) / 1000).toFixed(0)} s)`,
  );
  return 0;
}

function writing(file: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    const { message } = cause as Error;
    const advice = 'Choose another folder with --out.';
    throw new MyelinError('FILE_UNWRITABLE', { file, bytes: 100_000, reason: message, advice }, { cause });
  }
}
