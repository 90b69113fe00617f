import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import type { CheckpointReport } from '../../policies/checkpoint.ts';
import type { ConvertOptions } from '../../policies/convert/checkpoint-writer.ts';
import type { FloatType } from '../../policies/convert/floats.ts';
import { checkpointPath, say } from './local.ts';

export interface ConvertCommandOptions {
  readonly out: string;
  readonly dtype?: 'f32' | 'bf16' | 'f16';
  readonly config?: string;
  readonly base?: string;
  readonly asset?: string;
  readonly horizon?: number;
  readonly cameras?: string;
  readonly tokenizer?: string;
}

const TYPES: Readonly<Record<string, FloatType>> = { f32: 'F32', bf16: 'BF16', f16: 'F16' };
const STATE_DICT = /\.(pt|pth|bin|ckpt|safetensors)$/;

/** `myelin checkpoint convert`: what the input is decides how. */
export async function convert(pathOrReference: string, options: ConvertCommandOptions): Promise<number> {
  const input = await checkpointPath(pathOrReference);
  let told = 0;
  const report = await convertBy(input, options, {
    out: options.out,
    dtype: options.dtype === undefined ? undefined : TYPES[options.dtype],
    onNote: say,
    onProgress: (share) => {
      if (share < told + 0.25) return;
      told = Math.floor(share * 4) / 4;
      say(`writing: ${Math.round(100 * told)} %`);
    },
  });
  process.stdout.write(
    `${options.out}: ${report.type}, ${(report.weights / 1e6).toFixed(1)} M weights to act\n`,
  );
  if (report.legacy)
    say(
      'no processor files came along: its actions are not scaled to a robot unless the weights hold statistics',
    );
  return 0;
}

async function convertBy(
  input: string,
  options: ConvertCommandOptions,
  common: ConvertOptions,
): Promise<CheckpointReport> {
  if (!existsSync(input)) throw new MyelinError('FILE_NOT_FOUND', { file: input });
  if (existsSync(join(input, 'adapter_config.json'))) {
    const { convertLora } = await import('../../policies/convert/convert-lora.ts');
    return convertLora(input, { ...common, base: options.base });
  }
  const file = stateDictIn(input);
  if (options.config !== undefined && file !== undefined) {
    const { convertStateDict } = await import('../../policies/convert/convert-state-dict.ts');
    return convertStateDict(file, { ...common, config: options.config });
  }
  if (existsSync(join(input, 'assets'))) {
    const { convertOpenpi } = await import('../../policies/convert/convert-openpi.ts');
    const { asset, horizon, tokenizer } = options;
    const cameras = options.cameras?.split(',');
    return convertOpenpi(input, { ...common, asset, horizon, cameras, tokenizer });
  }
  throw new MyelinError('INVALID_ARGUMENT', {
    name: file === undefined ? 'the input' : '--config',
    value: file === undefined ? input : 'missing',
    allowed:
      file === undefined
        ? 'a state dict (.pt, .pth, .bin, .ckpt, .safetensors), an openpi checkpoint or a LoRA adapter'
        : "LeRobot's config.json for these weights, or the folder it lies in",
  });
}

/** The file itself, or the one that a folder of weights usually holds. */
function stateDictIn(input: string): string | undefined {
  if (statSync(input).isFile()) return STATE_DICT.test(input) ? input : undefined;
  const names = ['model.safetensors', 'pytorch_model.bin', 'model.pt', 'checkpoint.pt'];
  return names.map((name) => join(input, name)).find((path) => existsSync(path));
}
