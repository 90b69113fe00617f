import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ModelOptions } from '../policies/model.ts';
import { DEVICE_SYNTAX, parseDevice } from '../policies/onnx/device.ts';
import { QUANTIZED_FORMATS, type QuantizedName } from '../policies/quantize/format.ts';
import { whole } from './option-values.ts';

/** How a checkpoint's model is run, as every command that opens one takes it. */
export interface ModelFlags {
  readonly device: string;
  readonly quantize?: QuantizedName;
  readonly threads?: number;
}

/** Adds `--device`, `--quantize` and `--threads`. */
export const addModelFlags = (command: Command): Command =>
  command
    .addOption(
      new Option('--device <name>', `what the model runs on: ${DEVICE_SYNTAX}`)
        .default('auto')
        .argParser(device),
    )
    .addOption(
      new Option(
        '--quantize <form>',
        'keep large matrices in whole numbers: less memory, faster, a little less exact; made once, beside the checkpoint',
      ).choices(Object.keys(QUANTIZED_FORMATS)),
    )
    .option(
      '--threads <n>',
      'threads for the model (default: all cores, but one when a control loop keeps time here)',
      whole(1, 256),
    );

/** The flags as whoever opens a policy takes them. */
export const modelOptions = ({ device, quantize, threads }: ModelFlags): ModelOptions => ({
  device,
  ...(quantize === undefined ? {} : { quantize }),
  ...(threads === undefined ? {} : { threads }),
});

function device(text: string): string {
  try {
    parseDevice(text);
  } catch {
    throw new InvalidArgumentError(`must be ${DEVICE_SYNTAX}.`);
  }
  return text;
}
