import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LANGUAGES } from '../executors/executor.ts';
import type { ProjectVersion } from './project-store.ts';

/** `version.json`: what the store knows of a version. Written once, before the version appears. */
export const versionRecordSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{64}$/),
  project: z.string(),
  language: z.enum(LANGUAGES),
  createdUnixS: z.number(),
  bytes: z.number(),
  files: z.array(
    z.strictObject({ path: z.string(), bytes: z.number(), sha256: z.string(), executable: z.boolean() }),
  ),
  manifest: z.strictObject({
    name: z.string().optional(),
    description: z.string().optional(),
    language: z.enum(LANGUAGES).optional(),
    entry: z.string().optional(),
    stateless: z.boolean(),
    network: z.boolean(),
    arm: z.boolean(),
    memoryMiB: z.number(),
  }),
});
export type VersionRecord = z.infer<typeof versionRecordSchema>;

/** The version in a folder of `versions/PROJECT/`, or undefined when there is none (any more). */
export async function readVersion(folder: string): Promise<ProjectVersion | undefined> {
  let text: string;
  try {
    text = await readFile(join(folder, 'version.json'), 'utf8');
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw thrown;
  }
  const record = versionRecordSchema.safeParse(parse(text));
  if (!record.success) return undefined;
  return { ...record.data, folder: join(folder, 'files'), environment: join(folder, 'environment') };
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};
