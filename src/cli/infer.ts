import { Command, InvalidArgumentError, Option } from 'commander';
import { AGGREGATE_NAMES } from '../core/aggregation.ts';
import { SUBTASK_TEMPLATES } from '../policies/subtask/template.ts';
import { DEFAULT_ARM_SEGMENT } from '../segment/arm-layout.ts';
import type { InferOptions } from './infer-session.ts';
import { addModelFlags } from './model-flags.ts';
import { number, whole } from './option-values.ts';
import { isRemotePolicy, REMOTE_SYNTAX } from './remote-policy-address.ts';
import { addRtcFlags } from './rtc-flags.ts';

const policy = (text: string): string => {
  if (text === 'scripted' || isRemotePolicy(text)) return text;
  throw new InvalidArgumentError(`must be scripted or ${REMOTE_SYNTAX}.`);
};

const collect = (value: string, previous: readonly string[]): string[] => [...previous, value];

/** `myelin infer`: cameras in, action chunks out. */
export function inferCommand(): Command {
  const infer = new Command('infer')
    .description('Run a policy on an arm that a control process owns: cameras in, action chunks out')
    .option('-c, --checkpoint <path>', 'LeRobot checkpoint folder, or an .onnx file with its manifest')
    .option(
      '--policy <name>',
      `in place of a checkpoint: scripted, or one on a server: ${REMOTE_SYNTAX}`,
      policy,
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
    .option(
      '--adapt-to-pi',
      "the policy is an ALOHA checkpoint of openpi's: turn joints and grippers as openpi does",
      false,
    )
    .addOption(
      new Option(
        '--subtask-template <name>',
        'ask a pi05 checkpoint for subtasks of the task, in these words, and act on them',
      ).choices(SUBTASK_TEMPLATES.map(({ name }) => name)),
    )
    .option(
      '--subtask-refresh <s>',
      'ask for another subtask after this time (default: when the task changes)',
      number(0, 86_400),
    )
    .option('--segment <name>', 'segment of the arm', DEFAULT_ARM_SEGMENT)
    .option('--autostart', 'send START once, as soon as the arm is there and idle', false);
  return addModelFlags(addRtcFlags(infer))
    .addHelpText(
      'after',
      `
Keys: Space start / pause, R reset, Q quit (the arm pauses and holds), Esc STOP (the arm is damped) and quit.
Ctrl-C is Q. When this process dies the arm holds; start it again and press Space to go on.

Examples:
  myelin infer -c ./my_act_checkpoint --camera-id front=0 --camera-id wrist=2
  myelin infer -c ./my_act_checkpoint --dry-run           with: myelin control --dry-run
  myelin infer -c ./my_smolvla --quantize int8 --task 'pick up the cube'
  myelin infer -c ./my_pi05 --rtc --task 'fold the towel'    each chunk continues the one that runs
  myelin infer --policy scripted --no-display
  myelin infer --policy 'openpi://gpu-box:8000?robot=libero' --task 'stack the bowls'`,
    )
    .action(async (options: InferOptions, command: Command) => {
      if ((options.checkpoint === undefined) === (options.policy === undefined)) {
        command.error('error: give either --checkpoint PATH or --policy scripted|openpi://...|pi05://...', {
          exitCode: 2,
        });
      }
      const { runInference } = await import('./infer-session.ts');
      process.exitCode = await runInference(options);
    });
}
