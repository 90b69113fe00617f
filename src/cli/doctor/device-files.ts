import { constants } from 'node:fs';
import { access, readdir, readFile, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { type Finding, ok, problem } from './check.ts';

/** Names in a folder, sorted by their numbers; none when there is no such folder. */
export async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** A file of the kernel's, without its last line end; undefined when it cannot be read. */
export const readLine = (file: string): Promise<string | undefined> =>
  readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Whether this user may use a device file. It is not opened: that could block, or reset the device behind it.
 * @param what for people: `/dev/ttyACM0 (USB adapter)`
 * @param group whose members may use such devices, usually
 */
export async function permission(path: string, what: string, group: string): Promise<Finding> {
  const values = { path };
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return ok(what, values);
  } catch {
    const user = userInfo().username;
    return problem(
      `${what}: user ${user} may not use it`,
      `sudo usermod -aG ${group} ${user}, then log out and in again.`,
      values,
    );
  }
}
