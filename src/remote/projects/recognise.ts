import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import type { Language } from '../executors/executor.ts';
import { DEFAULT_MANIFEST, MANIFEST_BYTES, MANIFEST_FILE, readManifest } from './manifest.ts';
import type { ProjectManifest } from './project-store.ts';

/** What the store needs to know of a language: see `ExecutorKind`. */
export interface LanguageKind {
  readonly language: Language;
  recognises(files: readonly string[]): boolean;
}

/** The manifest of a project's folder; the defaults when it has none. @throws MyelinError PROJECT_INVALID */
export async function manifestOf(
  folder: string,
  files: readonly { readonly path: string; readonly bytes: number }[],
  project: string,
): Promise<ProjectManifest> {
  const file = files.find(({ path }) => path === MANIFEST_FILE);
  if (file === undefined) return DEFAULT_MANIFEST;
  if (file.bytes > MANIFEST_BYTES) {
    const reason = `${MANIFEST_FILE} has ${file.bytes} bytes`;
    throw new MyelinError('PROJECT_INVALID', { project, reason, advice: `It may have ${MANIFEST_BYTES}.` });
  }
  return readManifest(await readFile(join(folder, MANIFEST_FILE), 'utf8'), project);
}

/** The language the manifest names, else the first that knows the files. @throws MyelinError PROJECT_INVALID */
export function languageOf(
  manifest: ProjectManifest,
  files: readonly string[],
  kinds: readonly LanguageKind[],
  project: string,
): Language {
  const refuse = (reason: string, advice: string) =>
    new MyelinError('PROJECT_INVALID', { project, reason, advice });
  const known = kinds.map(({ language }) => language).join(', ');
  const { entry, language } = manifest;
  if (entry !== undefined && !files.includes(entry)) {
    throw refuse(`its entry ${entry} is not among its files`, `Correct "entry" in ${MANIFEST_FILE}.`);
  }
  const kind = kinds.find((one) =>
    language === undefined ? one.recognises(files) : one.language === language,
  );
  if (kind !== undefined) return kind.language;
  if (language !== undefined) throw refuse(`this machine does not run ${language}`, `It runs: ${known}.`);
  throw refuse(
    'its language is not recognised from its files',
    `Put main.py (or main.mjs, or an executable) into its folder, or name "language" and "entry" in ${MANIFEST_FILE}. Languages here: ${known}.`,
  );
}
