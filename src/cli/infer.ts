import { Command, InvalidArgumentError, Option } from 'commander';
import { AGGREGATE_NAMES } from '../core/aggregation.ts';
import { DEFAULT_ARM_SEGMENT } from '../segment/arm-layout.ts';
import type { InferOptions } from './infer-session.ts';

const number = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= most)) {
    throw new InvalidArgumentError(`must be a number from ${least} to ${most}.`);
  }
  return value;
};

const whole = (least: number, most: number) => (text: string) => {
  const value = number(least, most)(text);
  if (!Number.isInteger(value))
    throw new InvalidArgumentError(`must be a whole number from ${least} to ${most}.`);
  return value;
};

const collect = (value: string, previous: readonly string[]): string[] => [...previous, value];

/** `myelin infer`: cameras in, action chunks out. */
export function inferCommand(): Command {
  return new Command('infer')
    .description('Run a policy on an arm that a control process owns: cameras in, action chunks out')
    .option('-c, --checkpoint <path>', 'LeRobot checkpoint folder, or an .onnx file with its manifest')
    .addOption(
      new Option('--policy <name>', 'a built-in policy in place of a checkpoint').choices(['scripted']),
    )
    .option('--num-flow-steps <n>', 'denoising steps, for policies that denoise', whole(1, 1000), 10)
    .option('--inference-freq <hz>', 'most inferences a second', number(0.1, 1000), 30)
    .option(
      '--camera-id <id>',
      'camera: a number (/dev/videoN), a ring name, or POLICY_NAME=either; repeatable, in the order the policy names them (default: the rings the policy names; without any, 0)',
      collect,
      [],
    )
    .option('--no-display', 'plain lines in place of the live panel')
    .option('--dry-run', 'refuse a real arm; film the simulated world of: myelin control --dry-run', false)
    .addOption(
      new Option('--aggregate-fn <name>', 'how a queued and a newer action become one')
        .choices(AGGREGATE_NAMES)
        .default('weighted_average'),
    )
    .option(
      '--chunk-size-threshold <share>',
      'ask for a chunk when this share of one is left',
      number(0, 1),
      0.5,
    )
    .option(
      '--actions-per-chunk <n>',
      'rows used of each chunk (default: what the policy says)',
      whole(1, 128),
    )
    .option('--task <text>', 'what to do, in words', '')
    .option('--segment <name>', 'segment of the arm', DEFAULT_ARM_SEGMENT)
    .option('--threads <n>', 'threads for the model (default: cores minus one, at least one)', whole(1, 256))
    .option('--autostart', 'send START once, as soon as the arm is there and idle', false)
    .addHelpText(
      'after',
      `
Keys: Space start / pause, R reset, Q quit (the arm pauses and holds), Esc STOP (the arm is damped) and quit.
Ctrl-C is Q. When this process dies the arm holds; start it again and press Space to go on.

Examples:
  myelin infer -c ./my_act_checkpoint --camera-id front=0 --camera-id wrist=2
  myelin infer -c ./my_act_checkpoint --dry-run           with: myelin control --dry-run
  myelin infer --policy scripted --no-display`,
    )
    .action(async (options: InferOptions, command: Command) => {
      if ((options.checkpoint === undefined) === (options.policy === undefined)) {
        command.error('error: give either --checkpoint PATH or --policy scripted', { exitCode: 2 });
      }
      const { runInference } = await import('./infer-session.ts');
      process.exitCode = await runInference(options);
    });
}
