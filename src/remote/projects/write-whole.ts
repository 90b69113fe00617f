import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { sync } from '../archive/sync-tree.ts';

/** Writes a file so that at any moment, power cuts included, either the old or the new content is there. */
export async function writeWhole(file: string, text: string): Promise<void> {
  const beside = `${file}.new`;
  const handle = await open(beside, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(beside, file);
  await sync(dirname(file));
}
