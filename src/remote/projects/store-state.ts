import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { writeWhole } from './write-whole.ts';

const id = z.string().regex(/^[0-9a-f]{64}$/);

const stateSchema = z.strictObject({
  layout: z.literal(1),
  active: z.strictObject({ project: z.string(), version: id }).optional(),
  projects: z.record(
    z.string(),
    z.strictObject({
      current: id,
      /** Versions that ran before, newest first. */
      previous: z.array(id),
    }),
  ),
  /** Name of the folder in `work/` that `current` is to lead to. */
  work: z.string().optional(),
  /** When that folder was complete: what has changed since, people have changed. */
  copiedUnixMs: z.number().optional(),
  /** False from the moment `work` changes until the link has followed. */
  linked: z.boolean(),
  /** Id of `default/` when it was last taken over: another one means that somebody edited it. */
  defaultSeen: id.optional(),
});
/** What is in use. The file is replaced as a whole, and that is the moment of every switch. */
export type StoreState = z.infer<typeof stateSchema>;

export const EMPTY_STATE: StoreState = { layout: 1, projects: {}, linked: true };

/** Undefined when there is none, or one that cannot be read: then what lies in `current` decides. */
export async function readState(file: string): Promise<StoreState | undefined> {
  try {
    return stateSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === undefined || code === 'ENOENT') return undefined;
    throw thrown;
  }
}

export const writeState = (file: string, state: StoreState): Promise<void> =>
  writeWhole(file, `${JSON.stringify(state, undefined, 2)}\n`);
