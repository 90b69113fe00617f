import { readFile, stat } from 'node:fs/promises';
import type { z } from 'zod';
import { MyelinError } from '../core/errors.ts';

/** The largest there are, tokenizers of a quarter of a million words, take about 35 MB. */
const MAX_BYTES = 256 * 2 ** 20;

/** Reads a JSON file that must match the schema. @throws MyelinError FILE_NOT_FOUND, CONFIG_INVALID */
export async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  const found = await stat(file).catch(() => undefined);
  // Opening a pipe would wait for whoever writes to it.
  if (found?.isFile() !== true) throw new MyelinError('FILE_NOT_FOUND', { file });
  if (found.size > MAX_BYTES)
    throw new MyelinError('CONFIG_INVALID', { file, detail: `${found.size} bytes are more than any has` });
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new MyelinError('CONFIG_INVALID', { file, detail: 'it is not JSON' }, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new MyelinError('CONFIG_INVALID', {
    file,
    detail: `${issue?.path.join('.') || 'it'}: ${issue?.message}`,
  });
}
