import { rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import type { Command } from '../protocol/ipc.ts';

let counter = 0;

/** The archive of an update as a file; `done` removes it. @throws MyelinError REQUEST_INVALID */
export async function uploadedArchive(
  { data, zip_data, file }: Command['data'],
  uploadsFolder: string,
): Promise<{ path: string; done: () => Promise<void> }> {
  const text = data ?? zip_data;
  if ([data, zip_data, file].filter((given) => given !== undefined).length !== 1) {
    throw invalid('an update has either `data`, `zip_data` or `file`');
  }
  // By its name alone: a path from a message must not lead anywhere else.
  const path = join(
    uploadsFolder,
    file === undefined ? `worker-${process.pid}-${++counter}.zip` : basename(file),
  );
  if (text !== undefined) await writeFile(path, decode(text), { mode: 0o600 });
  return { path, done: () => rm(path, { force: true }) };
}

/** Strict: what Node skips over in silence (blanks, foreign characters) would make another archive. */
function decode(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  const digits = text.replace(/={0,2}$/, '').length;
  if (bytes.length === 0 || bytes.length !== Math.floor((digits * 3) / 4)) {
    throw invalid('`data` is not the base64 of an archive');
  }
  return bytes;
}

const invalid = (detail: string): MyelinError =>
  new MyelinError('REQUEST_INVALID', {
    detail,
    advice: 'Send the ZIP archive of the project in base64 as `data`.',
  });
