import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { download } from './download.ts';
import { CachedModel } from './hub-cache.ts';
import { HubClient, type HubFile, HubSilence } from './hub-client.ts';
import { type HubReference, hubReferenceText } from './hub-reference.ts';
import { type HubSettings, hubSettings } from './hub-settings.ts';

export interface DownloadProgress {
  /** The file that is being fetched. */
  readonly file: string;
  /** Of all files that were not here yet. */
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface HubOptions {
  /** Default: from the environment. */
  readonly settings?: HubSettings;
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Told why the Hub was not asked, when the cache had to do. */
  readonly onNote?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** Which of a repository's files are wanted, in the order to fetch them. */
export type WantedFiles = (names: readonly string[]) => readonly string[];

/**
 * A folder with the wanted files of a model on the Hub, downloaded when they are not in the cache. What cannot be
 * asked for (no connection, HF_HUB_OFFLINE) is taken from the cache as it was last seen.
 *
 * @throws MyelinError HUB_REFUSED, HUB_UNREACHABLE, DOWNLOAD_FAILED, FILE_UNWRITABLE
 * @example
 * const folder = await hubSnapshot({ id: 'lerobot/smolvla_base', revision: 'main' }, checkpointFiles);
 */
export async function hubSnapshot(
  reference: HubReference,
  wanted: WantedFiles,
  options: HubOptions = {},
): Promise<string> {
  const settings = options.settings ?? (await hubSettings());
  const model = new CachedModel(settings.cache, reference);
  if (settings.offline) return fromCache(model, reference, 'HF_HUB_OFFLINE is set');
  try {
    return await fetchSnapshot(model, reference, wanted, { ...options, settings });
  } catch (error) {
    if (!(error instanceof HubSilence)) throw error;
    const folder = await fromCache(model, reference, error.message, error);
    options.onNote?.(`${hubReferenceText(reference)}: taken from the cache (${error.message})`);
    return folder;
  }
}

async function fetchSnapshot(
  model: CachedModel,
  reference: HubReference,
  wanted: WantedFiles,
  { settings, onProgress, signal }: HubOptions & { readonly settings: HubSettings },
): Promise<string> {
  const client = new HubClient(settings, signal);
  const { commit, names } = await client.list(reference);
  const missing = wanted(names).filter((name) => !existsSync(join(model.snapshot(commit), name)));
  const files: HubFile[] = [];
  for (const name of missing) files.push(await client.describe(reference, commit, name));
  const totalBytes = files.reduce((sum, file) => sum + file.bytes, 0);
  let before = 0;
  for (const file of files) {
    const done = before;
    await download(file, {
      target: model.blob(file.hash),
      partial: model.partial(file.hash),
      send: (from) => client.send(reference, commit, file.name, from),
      onProgress: (bytes) => onProgress?.({ file: file.name, bytes: done + bytes, totalBytes }),
      signal,
    });
    await model.place(commit, file.name, file.hash);
    before += file.bytes;
  }
  if (!existsSync(model.snapshot(commit))) {
    const advice = 'Check that it is a checkpoint: it should hold config.json and model.safetensors.';
    const what = hubReferenceText(reference);
    throw new MyelinError('HUB_REFUSED', {
      what,
      reason: 'it has none of the files that are needed',
      advice,
    });
  }
  await model.noteCommit(commit);
  return model.snapshot(commit);
}

async function fromCache(
  model: CachedModel,
  reference: HubReference,
  reason: string,
  cause?: unknown,
): Promise<string> {
  const commit = await model.commit();
  if (commit !== undefined && existsSync(model.snapshot(commit))) return model.snapshot(commit);
  const advice =
    'Connect and run it once; from then on it works without a connection. A folder works always.';
  throw new MyelinError('HUB_UNREACHABLE', { what: hubReferenceText(reference), reason, advice }, { cause });
}
