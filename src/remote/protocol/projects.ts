import { z } from 'zod';

/** What the gateway tells of projects over HTTP. */

const versionHead = {
  /** 64 hexadecimal digits; requests may give the first six or more. */
  id: z.string(),
  project: z.string(),
  language: z.string(),
  createdUnixS: z.number(),
  bytes: z.number(),
};

/** A version in a list. */
export const versionSummarySchema = z.object({ ...versionHead, fileCount: z.number().int() });

export const projectVersionSchema = z.object({
  ...versionHead,
  files: z.array(
    z.object({ path: z.string(), bytes: z.number(), sha256: z.string(), executable: z.boolean() }),
  ),
});
export type ProjectVersionInfo = z.infer<typeof projectVersionSchema>;

const projectHead = {
  project: z.string(),
  /** Id of the version in use of this project. */
  current: z.string().optional(),
  /** Whether this is the project that is meant when none is named. */
  active: z.boolean(),
};

/** Versions newest first, here and below. */
export const projectSummarySchema = z.object({ ...projectHead, versions: z.array(versionSummarySchema) });
export type ProjectSummaryInfo = z.infer<typeof projectSummarySchema>;

/** One project, its files too. */
export const projectDetailSchema = z.object({ ...projectHead, versions: z.array(projectVersionSchema) });
export type ProjectDetail = z.infer<typeof projectDetailSchema>;

export const projectListSchema = z.object({ projects: z.array(projectSummarySchema) });
export type ProjectList = z.infer<typeof projectListSchema>;

/** What an update or a rollback answers. `version`: its id. `files`: how many. */
export const installedSchema = z.object({
  project: z.string(),
  version: z.string(),
  language: z.string(),
  files: z.number(),
});
export type Installed = z.infer<typeof installedSchema>;

/** What a start answers: the version, and what can be called. */
export const loadedSchema = installedSchema.extend({
  /** Methods of each object. */
  objects: z.record(z.string(), z.array(z.string())),
  functions: z.array(z.string()),
});
export type Loaded = z.infer<typeof loadedSchema>;

export const projectDiffSchema = z.object({
  added: z.array(z.string()),
  removed: z.array(z.string()),
  changed: z.array(z.string()),
});
