import { spawn } from 'node:child_process';
import { styleText } from 'node:util';
import { Command, Option } from 'commander';
import {
  CONTROL_OPTIONS,
  type ControlConfig,
  type ControlConfigKey,
  controlDefaults,
  parseControlConfig,
  readControlSettings,
} from '../control/control-config.ts';
import type { LogLevel } from '../control/event-text.ts';
import { MyelinError } from '../core/errors.ts';

/** `myelin control`: owns the arm. This process is the guardian; the 500 Hz loop is its child. */
export function controlCommand(): Command {
  const command = new Command('control').description(
    'Own an arm: the 500 Hz loop, its limits and watchdogs, and the guardian that damps the arm if the loop dies',
  );
  command.option('--config <file>', 'read options from a YAML file; the command line wins');
  for (const key of Object.keys(CONTROL_OPTIONS) as ControlConfigKey[]) {
    const { flag, argument, doc } = CONTROL_OPTIONS[key];
    const standard = controlDefaults[key];
    const shown = standard === undefined || standard === false ? doc : `${doc} (default: ${standard})`;
    command.addOption(new Option(`--${flag}${argument === undefined ? '' : ` ${argument}`}`, shown));
  }
  return command
    .addHelpText(
      'after',
      `
What it does: holds the arm until somebody sends START; plays chunks of actions inside the limits it prints at the
start; holds when actions stay out, pauses when the commander is silent; stops for faults. Ctrl-C brings the arm to
rest, damps it and exits; a second Ctrl-C does not wait. Exit code 0: stopped on request. 1: something went wrong.

Examples:
  myelin control --model X5 --interface can0
  myelin control --model L5 --interface slcan:/dev/ttyACM0 --trace run.trace
  myelin control --dry-run                     simulate: the same loop and driver on a simulated arm
  myelin control --config arm.yaml --cpu 1

A configuration file has the same names without the dashes:
  model: X5
  interface: can0
  command-timeout: 0.2
  table-plane: -0.02

Before a real arm: bring the bus up with
  ip link set can0 type can bitrate 1000000 && ip link set can0 up
and give your user real-time priority ("@robot - rtprio 90" in /etc/security/limits.conf).`,
    )
    .action(async (options: Record<string, string | boolean | undefined>) => {
      process.exitCode = await runControl(configOf(options, command));
    });
}

/** The options as they stand in commander (camelCase) become settings by flag; the file's come first. */
function configOf(options: Record<string, string | boolean | undefined>, command: Command): ControlConfig {
  const { config: file, ...flags } = options;
  try {
    const fromFile = typeof file === 'string' ? readControlSettings(file) : {};
    if (typeof file === 'string') parseControlConfig(fromFile, file);
    const fromLine = Object.fromEntries(
      Object.entries(flags).map(([name, value]) => [
        name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
        value,
      ]),
    );
    return parseControlConfig({ ...fromFile, ...fromLine }, 'on the command line');
  } catch (error) {
    if (!(error instanceof MyelinError)) throw error;
    return command.error(`error: ${error.message}\n  hint: ${error.hint}`, { exitCode: 2 });
  }
}

async function runControl(config: ControlConfig): Promise<number> {
  const { Guardian } = await import('../control/guardian.ts');
  const world = config.dryRun ? await startWorld(config) : undefined;
  try {
    const guardian = new Guardian(
      world === undefined ? config : { ...config, interface: world.interface },
      log,
    );
    const stop = () => guardian.stop();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
    return await guardian.run();
  } finally {
    await world?.close();
  }
}

/** A simulated arm of its own, for `--dry-run`. */
async function startWorld(config: ControlConfig): Promise<{ interface: string; close(): Promise<void> }> {
  const { distEntry } = await import('../platform/entry.ts');
  const name = `dry-run-${process.pid}`;
  const args = ['--name', name, '--arm', config.model, '--parent-pid', String(process.pid)];
  const child = spawn(process.execPath, [distEntry('world/world-process.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Ctrl-C in the terminal must not end the world while the arm in it still comes to rest.
    detached: true,
  });
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const ready = new Promise<true>((resolve) => child.stdout.once('data', () => resolve(true)));
  if ((await Promise.race([ready, gone])) !== true) throw new MyelinError('WORLD_MISSING', { name });
  log('info', `Simulated arm in world "${name}" (process ${child.pid})`);
  return {
    interface: `world:${name}`,
    close: async () => {
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), 3000);
      await gone;
      clearTimeout(force);
    },
  };
}

const LEVEL_STYLE = { info: 'reset', warning: 'yellow', alarm: 'red' } as const;

/** One line for people: time of day, level, what happened. */
function log(level: LogLevel, text: string): void {
  const now = new Date();
  const time = `${now.toTimeString().slice(0, 8)}.${String(now.getMilliseconds()).padStart(3, '0')}`;
  const line = `${level.padEnd(7)} ${text}`;
  const coloured = process.stdout.isTTY && process.env.NO_COLOR === undefined;
  process.stdout.write(`${time} ${coloured ? styleText(LEVEL_STYLE[level], line) : line}\n`);
}
