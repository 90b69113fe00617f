import type { Language } from '../executors/executor.ts';

/** What `myelin.yaml` in a project may say. Every key has a default; a project needs none. */
export interface ProjectManifest {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly language?: Language | undefined;
  /** File that is loaded or started: `main.py`, `main.mjs`, an executable. */
  readonly entry?: string | undefined;
  /** Calls may go to any of several instances. Default false: one client always meets the same one. */
  readonly stateless: boolean;
  /** Whether it may reach the network. Default false. */
  readonly network: boolean;
  /** Whether it may drive the arm. Default true; only one instance at a time does. */
  readonly arm: boolean;
  /** Memory of its process and children, MiB. Default 1024. */
  readonly memoryMiB: number;
}

export interface ProjectFile {
  /** Relative to the project's folder, parts joined by `/`. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly executable: boolean;
}

export interface ProjectVersion {
  /** SHA-256 over the sorted list of (path, mode, SHA-256 of content): the same files are the same version. */
  readonly id: string;
  readonly project: string;
  readonly language: Language;
  readonly createdUnixS: number;
  readonly bytes: number;
  /** Sorted by path. */
  readonly files: readonly ProjectFile[];
  readonly manifest: ProjectManifest;
  /** Folder of its files, read-only. */
  readonly folder: string;
  /** Folder for what `prepare` makes: `folder`'s sibling. */
  readonly environment: string;
}

/** Paths that differ between two versions. */
export interface ProjectDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
}

export interface ProjectSummary {
  readonly project: string;
  /** Id of the version in use of this project. */
  readonly current: string | undefined;
  /** Whether this is the project that is meant when none is named. */
  readonly active: boolean;
  /** Newest first. */
  readonly versions: readonly ProjectVersion[];
}

/**
 * Versions of projects on disk. Layout under `storageDir` (default `./storage/projects`):
 * `default/` (the one that ships; never written once it is there), `current` (a link to a copy of the version in
 * use, for people: edits in it become a version of their own, emptying it brings the default project back),
 * `versions/PROJECT/ID/{files,environment,version.json}`, `state.json` (what is in use), `data/PROJECT/`, `uploads/`.
 * Every change is prepared beside and made visible by one rename: after a crash either the old or the new is there.
 * Several processes may use one folder at once. Versions are named by their id or by the beginning of it, from six
 * digits on.
 */
export interface ProjectStore {
  /** Archives that wait for {@link add}. What nobody has touched for a day is removed at the next start. */
  readonly uploadsFolder: string;
  /**
   * Checks and unpacks a ZIP archive, and keeps it as a version. Does not switch. Without a `project`: the name in
   * its manifest, else the project in use, else `main`.
   * @throws MyelinError ARCHIVE_REFUSED with the reason and the entry; PROJECT_INVALID; nothing on disk has changed
   */
  add(
    archive: string,
    options?: { project?: string; onProgress?: (text: string) => void },
  ): Promise<ProjectVersion>;
  /** Makes a version the one that runs, and its project the active one. @throws VERSION_UNKNOWN */
  switchTo(project: string, version: string): Promise<ProjectVersion>;
  /**
   * Switches to a version; without one, to the version that ran before, and for a project that is not the active one
   * to its current version. @throws VERSION_UNKNOWN, PROJECT_UNKNOWN
   */
  rollback(project?: string, version?: string): Promise<ProjectVersion>;
  /**
   * The version in use, of the active project or of the one named; when there is none yet, `default/` is copied to
   * be it. What people did in `current/` and `default/` by hand counts from here on.
   */
  current(project?: string): Promise<ProjectVersion>;
  /** One version; the current one when none is named. @throws VERSION_UNKNOWN, PROJECT_UNKNOWN */
  version(project: string, version?: string): Promise<ProjectVersion>;
  list(): Promise<readonly ProjectSummary[]>;
  /** What changed from one version to another (default: the current one). */
  diff(project: string, from: string, to?: string): Promise<ProjectDiff>;
  /** A ZIP archive of a version, in chunks. */
  download(project: string, version?: string): AsyncGenerator<Buffer, void>;
  /** Removes a version (not the current one), or a project (not the active one) with all it has. @throws PROJECT_IN_USE */
  remove(project: string, version?: string): Promise<void>;
  /** Folder the project may write to; it stays when versions change. */
  dataFolder(project: string): Promise<string>;
}
