import { Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_ARM_SEGMENT } from '../segment/arm-layout.ts';
import type { UpOptions } from './up-demo.ts';

const wholeNumber = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new InvalidArgumentError(`must be a whole number from ${least} to ${most}.`);
  }
  return value;
};

/** `myelin up`: everything at once, simulated: what a newcomer runs first. */
export function upCommand(): Command {
  return new Command('up')
    .description('Start a simulated arm, its control process, cameras, a policy, the page and remote control')
    .option('--headless', 'no page; print a status line instead', false)
    .option(
      '--port <number>',
      'port of the page and of remote control on 127.0.0.1',
      wholeNumber(1, 65535),
      8000,
    )
    .addOption(new Option('--arm <model>', 'arm in the world').choices(['X5', 'L5']).default('X5'))
    .option('--seed <number>', 'where the cubes lie', wholeNumber(0, 0xffffffff), 1)
    .option('-c, --checkpoint <path>', 'policy to run; without it, a script that picks and sorts')
    .option('--no-autostart', 'wait for Start before the arm moves')
    .option('--segment <name>', 'segment of the arm', DEFAULT_ARM_SEGMENT)
    .option('--world <name>', 'name of the simulated world', 'default')
    .option('--camera-prefix <text>', 'put before the names of the camera rings external and wrist', '')
    .option('--storage <folder>', 'where projects, tokens and the log are kept', './storage')
    .option('--verbose', 'show every line the processes write', false)
    .addHelpText(
      'after',
      `
It runs these five, each in a process of its own, and starts again whatever dies:
  myelin world     the arm, the table and the cubes, in MuJoCo, behind a CAN bus
  myelin control   the 500 Hz loop that owns the arm, and its guardian
  myelin camera    the pictures of two cameras
  myelin infer     the policy
  myelin gateway   the page and remote control at http://127.0.0.1:8000, and a worker for projects

Keys: Space start / pause, R reset, Esc STOP, Q or Ctrl-C quit. The page has the same.

Examples:
  myelin up
  myelin up --headless --seed 7
  myelin up -c ./my_act_checkpoint`,
    )
    .action(async (options: UpOptions) => {
      const { runDemo } = await import('./up-demo.ts');
      process.exitCode = await runDemo(options);
    });
}
