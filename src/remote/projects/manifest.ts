import { parseDocument } from 'yaml';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { LANGUAGES } from '../executors/executor.ts';
import type { ProjectManifest } from './project-store.ts';

export const MANIFEST_FILE = 'myelin.yaml';
/** More is no manifest. */
export const MANIFEST_BYTES = 65_536;

const PROJECT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const NAME_RULE = 'up to 64 letters, digits, dots, dashes or underscores, beginning with a letter or digit';
const ENTRY = /^(?!.*(^|\/)\.{1,2}(\/|$))[^/\\\0][^\\\0]*$/;

const flag = z.boolean({ error: 'true or false' });
const memory = 'a whole number from 64 to 262144 (MiB)';

const manifestSchema = z.strictObject({
  name: z.string({ error: NAME_RULE }).regex(PROJECT_NAME, { error: NAME_RULE }).optional(),
  description: z.string({ error: 'text' }).max(2000, { error: 'text of at most 2000 characters' }).optional(),
  language: z.enum(LANGUAGES, { error: `one of ${LANGUAGES.join(', ')}` }).optional(),
  entry: z
    .string({ error: 'the path of a file in the project' })
    .regex(ENTRY, { error: 'the path of a file in the project' })
    .optional(),
  stateless: flag.default(false),
  network: flag.default(false),
  arm: flag.default(true),
  memoryMiB: z
    .int({ error: memory })
    .min(64, { error: memory })
    .max(262_144, { error: memory })
    .default(1024),
});

export const DEFAULT_MANIFEST: ProjectManifest = manifestSchema.parse({});

/** Reads `myelin.yaml`. @throws MyelinError PROJECT_INVALID naming the key, its value and what is allowed */
export function readManifest(text: string, project: string): ProjectManifest {
  const refuse = (reason: string) =>
    new MyelinError('PROJECT_INVALID', {
      project,
      reason: `${MANIFEST_FILE}: ${reason}`,
      advice: `Correct the key, or leave it out: ${MANIFEST_FILE} may hold ${Object.keys(manifestSchema.shape).join(', ')}.`,
    });
  const document = parseDocument(text, { prettyErrors: true });
  const [fault] = document.errors;
  if (fault !== undefined) throw refuse(fault.message.split('\n')[0] ?? 'is not YAML');
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 0 }) ?? {};
  } catch (cause) {
    throw refuse((cause as Error).message);
  }
  const read = manifestSchema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  if (issue === undefined) throw refuse('is not valid');
  if (issue.code === 'unrecognized_keys') throw refuse(`"${issue.keys[0]}" is not a key of it`);
  if (issue.path.length === 0) throw refuse('must be a list of keys and values');
  const key = issue.path.join('.');
  throw refuse(`${key} is ${show((value as Record<string, unknown>)[key])}, but must be ${issue.message}`);
}

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
};

/** A name that may become a folder's. @throws MyelinError PROJECT_INVALID */
export function checkProjectName(name: string): string {
  if (PROJECT_NAME.test(name)) return name;
  const advice = `A name has ${NAME_RULE}.`;
  throw new MyelinError('PROJECT_INVALID', {
    project: name.slice(0, 80),
    reason: 'that is no name for one',
    advice,
  });
}
