import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, relative, resolve } from 'node:path';

/** `organisation/name`, as checkpoints are called on the Hugging Face Hub. */
const HUB_ID = /^[\w.-]{1,96}\/[\w.-]{1,96}$/;

/** The path without symbolic links; undefined when there is nothing. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(resolve(path));
  } catch {
    return undefined;
  }
}

const isBelow = (path: string, folder: string): boolean => {
  const way = relative(folder, path);
  return way === '' || !(way.startsWith('..') || isAbsolute(way));
};

/** Where the Hub's own tools keep what they downloaded. */
const hubCache = (): string =>
  process.env.HF_HUB_CACHE ?? join(process.env.HF_HOME ?? join(homedir(), '.cache', 'huggingface'), 'hub');

/** The newest snapshot of a Hub id on this machine; nothing is ever downloaded here. */
function hubSnapshot(id: string, cache: string): string | undefined {
  const folder = join(cache, `models--${id.replace('/', '--')}`);
  try {
    const revision = readFileSync(join(folder, 'refs', 'main'), 'utf8').trim();
    if (!/^[\w.-]+$/.test(revision)) return undefined;
    const snapshot = join(folder, 'snapshots', revision);
    return existsSync(snapshot) ? snapshot : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The folder a client's name for a checkpoint stands for, when it may have it: a path at or below one of `allow`,
 * links followed, or a Hub id in `allow` that is on this machine. Undefined otherwise, also for what does not exist:
 * a client learns nothing about other files.
 */
export function allowedCheckpoint(
  name: string,
  allow: readonly string[],
  cache: string = hubCache(),
): string | undefined {
  if (name === '' || name.includes('\0')) return undefined;
  if (HUB_ID.test(name) && allow.includes(name)) {
    const snapshot = hubSnapshot(name, cache);
    if (snapshot !== undefined) return snapshot;
  }
  const path = realPath(name);
  if (path === undefined) return undefined;
  const allowed = allow.some((entry) => {
    const folder = realPath(entry);
    return folder !== undefined && isBelow(path, folder);
  });
  return allowed ? path : undefined;
}
