import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MyelinError } from '../../src/core/errors.ts';
import { inspectCheckpoint } from '../../src/policies/checkpoint.ts';
import { checkpointContents } from '../../src/policies/checkpoint-contents.ts';
import { openPipelines, readCheckpointFolder } from '../../src/policies/checkpoint-folder.ts';
import { smallActConfig } from '../../src/policies/models/act-small.ts';
import { openPolicy } from '../../src/policies/open-policy.ts';
import { writeSafetensors } from '../../src/policies/safetensors-writer.ts';
import { createSeededCheckpoint, writeSeededWeights } from '../../src/policies/seeded-checkpoint.ts';
import { openStateDict } from '../../src/policies/torch-file/state-dict.ts';
import { tensorBytes } from '../../src/policies/torch-file/tensor-bytes.ts';
import { Dice, mutateBytes, mutateJson, mutateSafetensors } from './mutate.ts';
import { piCheckpoint } from './pi-checkpoints.ts';
import { smolVlaCheckpoint } from './smolvla-checkpoints.ts';

const DIFFUSION = fileURLToPath(
  new URL('../../tools/parity/fixtures/diffusion/environment', import.meta.url),
);
const TORCH_FILES = new URL('../../src/policies/torch-file/torch.fixture.json', import.meta.url);

/** A file that is changed, and what must stand it. */
interface Target {
  readonly name: string;
  readonly path: string;
  readonly original: Buffer;
  readonly mutate: (original: Buffer, dice: Dice) => Buffer;
  readonly use: () => Promise<unknown>;
}

export interface Outcome {
  readonly name: string;
  readonly opened: boolean;
  /** Anything but a clear refusal. */
  readonly fault: unknown;
}

/** Everything that looks a checkpoint over, short of loading its network. */
async function lookOver(folder: string): Promise<void> {
  await openPipelines(await readCheckpointFolder(folder));
  await inspectCheckpoint(folder);
  await checkpointContents(folder);
}

async function readThrough(path: string): Promise<void> {
  const { tensors } = await openStateDict(path);
  for (const tensor of tensors.values()) for await (const piece of tensorBytes(tensor)) void piece;
}

const json = (original: Buffer, dice: Dice) =>
  dice.below(4) === 0 ? mutateBytes(original, dice) : Buffer.from(mutateJson(original.toString(), dice));

/** Changes files of small checkpoints of every kind, one at a time, and opens what came of it. */
export class CheckpointFuzz {
  readonly #seed: number;
  readonly #targets: readonly Target[];

  private constructor(seed: number, targets: readonly Target[]) {
    this.#seed = seed;
    this.#targets = targets;
  }

  static async create(root: string, seed: number): Promise<CheckpointFuzz> {
    const folders = [await actFolder(root), await diffusionFolder(root), await shardedFolder(root)];
    for (const name of ['pi0-two-cameras', 'pi05-two-cameras']) folders.push(await piCheckpoint(root, name));
    folders.push(await smolVlaCheckpoint(root, 'image-marks'));
    const targets = folders.flatMap((folder) => {
      const names = [
        ...readdirSync(folder),
        ...(readdirSync(folder).includes('tokenizer') ? ['tokenizer/tokenizer.json'] : []),
      ];
      return names
        .filter((name) => statSync(join(folder, name)).isFile() && name !== 'reference.json')
        .map((name) => target(folder, name));
    });
    // A checkpoint that is refused as it is would prove nothing.
    for (const folder of folders) await lookOver(folder);
    const files: Record<string, string> = JSON.parse(readFileSync(TORCH_FILES, 'utf8')).files;
    for (const [name, base64] of Object.entries(files)) {
      const path = join(root, `${name.replaceAll(' ', '-')}.pt`);
      const original = Buffer.from(base64, 'base64');
      targets.push({ name: `${name}.pt`, path, original, mutate: mutateBytes, use: () => readThrough(path) });
    }
    return new CheckpointFuzz(seed, targets);
  }

  /** One case; the same number gives the same one. `load` also loads the network when the rest is taken. */
  async run(number: number, load = false): Promise<Outcome> {
    const dice = new Dice(Math.imul(this.#seed, 0x9e3779b1) ^ number);
    const { name, path, original, mutate, use } = dice.pick(this.#targets);
    writeFileSync(path, mutate(original, dice));
    try {
      await use();
      if (load && !name.endsWith('.pt')) await (await openPolicy(join(path, '..'))).close();
      return { name, opened: true, fault: undefined };
    } catch (error) {
      const clear = error instanceof MyelinError && error.code !== 'INTERNAL';
      return { name, opened: false, fault: clear ? undefined : error };
    } finally {
      writeFileSync(path, original);
    }
  }
}

function target(folder: string, name: string): Target {
  const path = join(folder, name);
  const mutate = name.endsWith('.safetensors') ? mutateSafetensors : json;
  const use = () => lookOver(folder);
  return { name: `${folder.split('/').at(-1)}/${name}`, path, original: readFileSync(path), mutate, use };
}

async function actFolder(root: string): Promise<string> {
  const folder = join(root, 'act');
  await createSeededCheckpoint(folder, smallAct, 1);
  return folder;
}

const smallAct = smallActConfig();

async function diffusionFolder(root: string): Promise<string> {
  const folder = join(root, 'diffusion');
  cpSync(DIFFUSION, folder, { recursive: true });
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  await writeSeededWeights(join(folder, 'model.safetensors'), config, 1);
  return folder;
}

/** A folder whose weights an index names. */
async function shardedFolder(root: string): Promise<string> {
  const folder = join(root, 'sharded');
  mkdirSync(folder);
  const names = ['a', 'b'].map((_, i) => `model-0000${i + 1}-of-00002.safetensors`);
  for (const [i, name] of names.entries())
    await writeSafetensors(join(folder, name), [
      { name: `tensor.${i}`, shape: [2, 2], values: () => new Float32Array(4) },
    ]);
  const weight_map = Object.fromEntries(names.map((name, i) => [`tensor.${i}`, name]));
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map }));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(smallAct));
  return folder;
}
