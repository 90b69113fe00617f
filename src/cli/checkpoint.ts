import { Command, InvalidArgumentError, Option } from 'commander';
import type { ConvertCommandOptions } from './checkpoint/convert.ts';
import type { InspectOptions } from './checkpoint/inspect.ts';
import type { VerifyCommandOptions } from './checkpoint/verify.ts';

const positive = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('must be a number above 0.');
  return value;
};

const whole = (text: string): number => {
  const value = positive(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('must be a whole number.');
  return value;
};

const CHECKPOINT = 'LeRobot folder, or a model on the Hub as user/name[@revision]';

/** `myelin checkpoint`: look checkpoints over, prove them, convert them, measure them. */
export function checkpointCommand(): Command {
  const checkpoint = new Command('checkpoint').description(
    'Inspect, verify, convert and measure checkpoints of policies',
  );
  checkpoint
    .command('inspect')
    .description(
      'What it is, without loading it: inputs, outputs, sizes, tensors that are missing or unknown',
    )
    .argument('<checkpoint>', CHECKPOINT)
    .option('--json', 'as JSON', false)
    .option('--statistics', 'every normalisation statistic, not only their number', false)
    .addHelpText('after', '\nExit code 1 when tensors that acting needs are missing or misshapen.')
    .action(async (path: string, options: InspectOptions) => {
      const { inspect } = await import('./checkpoint/inspect.ts');
      process.exitCode = await inspect(path, options);
    });
  checkpoint
    .command('verify')
    .description('Load it, run it, and compare its actions with recorded ones')
    .argument('<checkpoint>', CHECKPOINT)
    .option(
      '--reference <path>',
      'reference.json, or its folder, as tools/parity records them (default: beside the checkpoint)',
    )
    .option('--tolerance <value>', 'largest difference that agrees', positive, 1e-4)
    .option('--device <name>', 'what to run on: auto, cpu, cuda[:n], webgpu, ...')
    .option('--json', 'as JSON', false)
    .addHelpText('after', '\nExit code 1 when a difference is larger than the tolerance.')
    .action(async (path: string, options: VerifyCommandOptions) => {
      const { verify } = await import('./checkpoint/verify.ts');
      process.exitCode = await verify(path, options);
    });
  checkpoint
    .command('convert')
    .description('Make a LeRobot folder of a PyTorch state dict, an openpi checkpoint or a LoRA adapter')
    .argument('<input>', 'file or folder, or a LoRA adapter on the Hub')
    .requiredOption('-o, --out <folder>', 'folder to make; it appears whole or not at all')
    .option('--config <path>', "for a state dict: LeRobot's config.json, or the folder it lies in")
    .option('--base <checkpoint>', 'for a LoRA adapter: its base (default: the one it names)')
    .option('--asset <id>', 'for openpi: which statistics below assets/, when there are several')
    .option(
      '--horizon <rows>',
      'for openpi: rows of a chunk (default: as its config.json says, or 50)',
      whole,
    )
    .option('--cameras <names>', "for openpi: camera names in the order of the model's slots, with commas")
    .option('--tokenizer <folder>', 'for openpi: folder of the PaliGemma tokenizer.json to put inside')
    .addOption(
      new Option('--dtype <type>', 'type of the matrices (default: as they are)').choices([
        'f32',
        'bf16',
        'f16',
      ]),
    )
    .addHelpText(
      'after',
      `
Nothing in the input is run: pickles are read as data, by an allow-list.

Examples:
  myelin checkpoint convert policy_last.ckpt --config ./act_config.json -o ./act
  myelin checkpoint convert ./openpi/pi05_droid_pytorch -o ./pi05_droid --dtype bf16
  myelin checkpoint convert ./my_lora --base lerobot/smolvla_base -o ./merged`,
    )
    .action(async (input: string, options: ConvertCommandOptions) => {
      const { convert } = await import('./checkpoint/convert.ts');
      process.exitCode = await convert(input, options);
    });
  checkpoint.addCommand(benchAlias());
  return checkpoint;
}

/** The same as `myelin bench -c`, for who looks for it here. */
function benchAlias(): Command {
  return new Command('bench')
    .description('Latency by stage and by denoising steps: the same as myelin bench -c')
    .argument('<checkpoint>', CHECKPOINT)
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(async (path: string, _options: object, command: Command) => {
      const { benchCommand } = await import('./bench.ts');
      const rest = command.args.slice(1);
      await benchCommand()
        .exitOverride()
        .parseAsync(['-c', path, ...rest], { from: 'user' });
    });
}
