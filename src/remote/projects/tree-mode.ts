import { chmod, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Sets the modes of files and of all folders below a folder: writable by the owner, or by nobody. */
export async function setTreeMode(
  folder: string,
  files: readonly { readonly path: string; readonly executable: boolean }[],
  writable: boolean,
): Promise<void> {
  const write = writable ? 0o200 : 0;
  for (const { path, executable } of files)
    await chmod(join(folder, path), (executable ? 0o555 : 0o444) | write);
  await setFolderMode(folder, 0o555 | write);
}

/**
 * Removes a folder that may hold read-only folders. What is not there is no failure, nor is another process that
 * removes it at the same time.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') throw thrown;
    await setFolderMode(path, 0o700).catch((other: NodeJS.ErrnoException) => {
      if (other.code !== 'ENOENT') throw other;
    });
    await rm(path, { recursive: true, force: true });
  }
}

async function setFolderMode(folder: string, mode: number): Promise<void> {
  await chmod(folder, mode | 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await setFolderMode(join(folder, entry.name), mode);
  }
  await chmod(folder, mode);
}
