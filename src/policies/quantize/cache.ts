import { createHash } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import type { TensorShapes } from '../models/kind.ts';
import { elementCount, type QuantizedMatrix, type TensorEntry, type TensorFile } from '../safetensors.ts';
import { QUANTIZED_FORMATS, type QuantizedFormat, type QuantizedName } from './format.ts';
import { quantizable, readQuantized, type WriteQuantizedOptions, writeQuantized } from './quantized-file.ts';

/** Raised when the layout or the rounding changes, so that older files are made again. */
const VERSION = 1;

export interface QuantizeOptions {
  /** Folder of the checkpoint: the quantised file lies there, or in the user's cache if it cannot be written to. */
  readonly folder: string;
  readonly format: QuantizedName;
  readonly run: WriteQuantizedOptions['run'];
  readonly onProgress?: ((share: number) => void) | undefined;
  /** Told once which file is used, and that it is being made when it is. */
  readonly onNote?: ((sentence: string) => void) | undefined;
  /** Default: `XDG_CACHE_HOME`, else `~/.cache`. */
  readonly cacheHome?: string | undefined;
}

/**
 * The quantised form of a model's matrices: from the file made at an earlier time, or made now. Any change to the
 * weights' file (size, time, header) makes it anew.
 * @param matrices those that the model multiplies by
 * @throws MyelinError CHECKPOINT_UNSUPPORTED when none is worth it, TENSOR_INVALID, CHECKPOINT_INVALID,
 *   FILE_UNWRITABLE
 */
export async function quantizedMatrices(
  file: TensorFile,
  matrices: TensorShapes,
  options: QuantizeOptions,
): Promise<ReadonlyMap<string, QuantizedMatrix>> {
  const { folder, onNote, run, onProgress } = options;
  const format = QUANTIZED_FORMATS[options.format];
  const chosen = quantizable(file, matrices);
  if (chosen.length === 0) {
    throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
      file: file.path,
      feature: `--quantize ${options.format}`,
      advice: 'It has no matrix large enough to gain by it. Leave the option out.',
    });
  }
  const metadata = { format: 'myelin', key: await cacheKey(chosen, format) };
  const name = `model.myelin-${options.format}.safetensors`;
  const beside = join(folder, name);
  // By its place too: checkpoints may share a name.
  const place = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  const home = options.cacheHome ?? process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const apart = join(home, 'myelin', 'quantized', place, name);
  for (const path of [beside, apart]) {
    const found = await readQuantized(path, chosen, format, metadata);
    if (found === undefined) continue;
    onNote?.(`${options.format} weights from ${path}`);
    return found;
  }
  const weights = chosen.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  for (const path of [beside, apart]) {
    onNote?.(`quantising ${(weights / 1e6).toFixed(0)} M weights to ${options.format}, once, into ${path}`);
    try {
      if (path === apart) await mkdir(dirname(apart), { recursive: true });
      await writeQuantized(path, chosen, format, { metadata, run, onProgress });
    } catch (thrown) {
      // A folder that is read-only or full leaves the user's cache; anything else is no matter of where.
      if (thrown instanceof MyelinError || !isSystemError(thrown)) throw thrown;
      const reason = thrown.code ?? thrown.message;
      onNote?.(`${path} cannot be written: ${reason}`);
      if (path === beside) continue;
      const advice = 'Free some space, or set XDG_CACHE_HOME to a folder with room.';
      const bytes = Math.round((weights * format.bits) / 8);
      throw new MyelinError('FILE_UNWRITABLE', { file: path, bytes, reason, advice }, { cause: thrown });
    }
    const made = await readQuantized(path, chosen, format, metadata);
    if (made !== undefined) return made;
  }
  throw new MyelinError('CHECKPOINT_INVALID', { file: file.path, detail: 'it changes while it is read' });
}

/** What the quantised file depends on: each source's size and time of change, and what of it is used. */
async function cacheKey(matrices: readonly TensorEntry[], format: QuantizedFormat): Promise<string> {
  const hash = createHash('sha256');
  hash.update(JSON.stringify({ version: VERSION, format }));
  for (const path of new Set(matrices.map((matrix) => matrix.path))) {
    const { size, mtimeMs } = await stat(path);
    hash.update(JSON.stringify({ size, mtimeMs }));
  }
  for (const { name, type, shape, begin } of matrices)
    hash.update(JSON.stringify({ name, type, shape, begin }));
  return hash.digest('hex');
}

const isSystemError = (thrown: unknown): thrown is NodeJS.ErrnoException =>
  thrown instanceof Error && 'errno' in thrown;
