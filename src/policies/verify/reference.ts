import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readJson } from '../read-json.ts';

export const REFERENCE = 'reference.json';

const rows = z.array(z.array(z.number()).max(4096)).max(10_000);
const seed = z.int().nonnegative();

const runSchema = z.looseObject({
  task: z.string().default(''),
  step: z.int().nonnegative(),
  absent: z.array(z.string()).default([]),
  flow_steps: z.int().positive().max(1000).optional(),
  chunk: z
    .looseObject({
      mode: z.enum(['guided', 'trained']).default('guided'),
      rows: z.int().positive().max(10_000),
      delay: z.int().nonnegative(),
      horizon: z.int().positive(),
    })
    .optional(),
  expected: z.looseObject({ chunk: rows.optional() }),
});

/** One inference, and the chunk that is expected of it. */
export type ReferenceRun = z.infer<typeof runSchema>;

const referenceSchema = z.union([
  z.looseObject({ seed, runs: z.array(runSchema).min(1).max(1000) }),
  z.looseObject({ seed, chunk: rows, steps: rows }),
]);

/** What another program answered for seeded observations: whole chunks, or a chunk and then single actions. */
export type Reference = z.infer<typeof referenceSchema>;

/**
 * @param path `reference.json`, or the folder it lies in
 * @throws MyelinError FILE_NOT_FOUND, CONFIG_INVALID
 */
export function readReference(path: string): Promise<Reference> {
  const folder = existsSync(path) && statSync(path).isDirectory();
  return readJson(folder ? join(path, REFERENCE) : path, referenceSchema);
}
