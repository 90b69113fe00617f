import { randomBytes } from 'node:crypto';
import { cp, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { pack } from '../archive/pack.ts';
import { CurrentLink } from './current-link.ts';
import { diffFiles } from './diff.ts';
import { type FoundFile, findFiles, hashFiles } from './folder-files.ts';
import { isLitterPath } from './litter.ts';
import { checkProjectName } from './manifest.ts';
import type { ProjectDiff, ProjectStore, ProjectSummary, ProjectVersion } from './project-store.ts';
import type { LanguageKind } from './recognise.ts';
import { StoreFolder } from './store-folder.ts';
import { EMPTY_STATE, readState, type StoreState, writeState } from './store-state.ts';
import { versionId } from './version-id.ts';
import { type MadeVersion, VersionMaker } from './version-maker.ts';
import { VersionShelf } from './version-shelf.ts';

/** The project that ships. It is changed in its folder, not by uploads. */
export const DEFAULT_PROJECT = 'default';
const FIRST_PROJECT = 'main';

export interface StoreOptions {
  /** Its root: `./storage/projects`. */
  readonly storageDir: string;
  readonly kinds: readonly LanguageKind[];
  /** Folder of the project that ships, copied to `default/` when that is not there. */
  readonly shipped?: string;
  /** Versions of a project that are kept, 1 or more. Default 10. The current one and the one before it always are. */
  readonly keep?: number;
  readonly nowUnixS?: () => number;
}

/** What a look at the folders people work in finds. */
type Found =
  | { readonly is: 'as it was'; readonly version: ProjectVersion }
  /** The copy is damaged, the version is not. */
  | { readonly is: 'torn'; readonly version: ProjectVersion }
  /** People changed `current/`. */
  | { readonly is: 'edited'; readonly project: string }
  /** People emptied `current/` or changed `default/`, or there never was anything. */
  | { readonly is: 'default' };

/** Projects in a folder: see {@link ProjectStore} for its layout and promises. */
export class DiskStore implements ProjectStore {
  readonly #folder: StoreFolder;
  readonly #shelf: VersionShelf;
  readonly #link: CurrentLink;
  readonly #maker: VersionMaker;
  readonly #keep: number;
  /** Ids of folders whose files have not changed since. */
  readonly #ids = new Map<string, { stamps: string; id: string }>();

  private constructor(options: StoreOptions) {
    this.#folder = new StoreFolder(options.storageDir);
    this.#shelf = new VersionShelf(this.#folder);
    this.#link = new CurrentLink(this.#folder);
    this.#maker = new VersionMaker(options.kinds, options.nowUnixS ?? (() => Math.floor(Date.now() / 1000)));
    this.#keep = Math.max(1, options.keep ?? 10);
  }

  /** Opens a store, making it where needed, and clears away what a process that died has left. */
  static async open(options: StoreOptions): Promise<DiskStore> {
    const store = new DiskStore(options);
    await store.#folder.open();
    await store.#folder.locked(async () => {
      const state = await store.#state();
      await (state.linked ? store.#tidyWork(state.work) : store.#linkAs(state));
    });
    if (options.shipped !== undefined) await store.#ship(options.shipped);
    return store;
  }

  get uploadsFolder(): string {
    return this.#folder.uploads;
  }

  async add(
    archive: string,
    options: { project?: string; onProgress?: (text: string) => void } = {},
  ): Promise<ProjectVersion> {
    const active = (await this.#state()).active?.project;
    const fallback = active === undefined || active === DEFAULT_PROJECT ? FIRST_PROJECT : active;
    return this.#folder.staged(async (staging) => {
      const made = await this.#maker.fromArchive(
        archive,
        staging,
        options.project,
        fallback,
        options.onProgress ?? (() => undefined),
      );
      if (made.record.project === DEFAULT_PROJECT) {
        throw new MyelinError('PROJECT_INVALID', {
          project: DEFAULT_PROJECT,
          reason: 'that name belongs to the project that ships',
          advice: `Choose another name, or edit the files in ${this.#folder.default}.`,
        });
      }
      return this.#keepMade(made);
    });
  }

  async switchTo(project: string, version: string): Promise<ProjectVersion> {
    const { id } = await this.#shelf.find(project, version);
    return this.#switch(project, id, this.#pushed(id));
  }

  async rollback(project?: string, version?: string): Promise<ProjectVersion> {
    const state = await this.#state();
    const name = project ?? state.active?.project ?? (await this.current()).project;
    if (version !== undefined) return this.switchTo(name, version);
    const known = state.projects[name];
    if (known === undefined) throw new MyelinError('PROJECT_UNKNOWN', { project: name });
    if (name !== state.active?.project) return this.switchTo(name, known.current);
    for (const [index, id] of known.previous.entries()) {
      if ((await this.#shelf.get(name, id)) === undefined) continue;
      return this.#switch(name, id, ({ previous }) => previous.slice(index + 1));
    }
    throw new MyelinError('VERSION_UNKNOWN', { project: name, version: 'before the current one' });
  }

  async current(project?: string): Promise<ProjectVersion> {
    const active = await this.#takeOver();
    return project === undefined || project === active.project ? active : this.version(project);
  }

  async version(project: string, version?: string): Promise<ProjectVersion> {
    if (version !== undefined) return this.#shelf.find(project, version);
    const current = (await this.#state()).projects[project]?.current;
    if (current === undefined) throw new MyelinError('PROJECT_UNKNOWN', { project });
    return this.#shelf.find(project, current);
  }

  async list(): Promise<readonly ProjectSummary[]> {
    const { active, projects } = await this.#state();
    const summaries: ProjectSummary[] = [];
    for (const project of await this.#shelf.projects()) {
      const versions = await this.#shelf.list(project);
      if (versions.length === 0) continue;
      const current = projects[project]?.current;
      summaries.push({ project, current, active: active?.project === project, versions });
    }
    return summaries;
  }

  async diff(project: string, from: string, to?: string): Promise<ProjectDiff> {
    return diffFiles((await this.version(project, from)).files, (await this.version(project, to)).files);
  }

  async *download(project: string, version?: string): AsyncGenerator<Buffer, void> {
    const { folder, files } = await this.version(project, version);
    yield* pack(folder, files);
  }

  async remove(project: string, version?: string): Promise<void> {
    await this.#folder.locked(async () => {
      const state = await this.#state();
      const current = state.projects[project]?.current;
      if (version === undefined) {
        if ((await this.#shelf.list(project)).length === 0)
          throw new MyelinError('PROJECT_UNKNOWN', { project });
        if (state.active?.project === project) throw inUse(project, state.active.version);
        const { [project]: _, ...others } = state.projects;
        await writeState(this.#folder.state, { ...state, projects: others });
        await this.#shelf.remove(project);
        await this.#folder.discard(join(this.#folder.data, checkProjectName(project)));
        return;
      }
      const { id } = await this.#shelf.find(project, version);
      if (id === current) throw inUse(project, id);
      await this.#shelf.remove(project, id);
    });
  }

  async dataFolder(project: string): Promise<string> {
    const folder = join(this.#folder.data, checkProjectName(project));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  async #state(): Promise<StoreState> {
    return (await readState(this.#folder.state)) ?? EMPTY_STATE;
  }

  /** Puts `default/` in place, whole, when it is not there; what is there belongs to the user. */
  async #ship(shipped: string): Promise<void> {
    await this.#folder.staged(async (staging) => {
      const copy = join(staging, 'shipped');
      await this.#folder.locked(async () => {
        if ((await readdir(this.#folder.default).catch(() => undefined)) !== undefined) return;
        await cp(shipped, copy, { recursive: true, errorOnExist: true });
        await rename(copy, this.#folder.default);
      });
    });
  }

  async #keepMade({ folder, record }: MadeVersion): Promise<ProjectVersion> {
    return this.#folder.locked(async () => {
      const version = await this.#shelf.put(folder, record.project, record.id);
      const known = (await this.#state()).projects[record.project];
      const spared = [version.id, known?.current, known?.previous[0]].filter((id) => id !== undefined);
      await this.#shelf.prune(record.project, this.#keep, new Set(spared));
      return version;
    });
  }

  /** The one place where what is in use changes: everything is prepared first, one rename makes it so. */
  async #switch(
    project: string,
    id: string,
    previous: (known: { current: string; previous: string[] }) => string[],
    also: Partial<StoreState> = {},
  ): Promise<ProjectVersion> {
    const version = await this.#shelf.find(project, id);
    return this.#folder.staged(async (staging) => {
      const copy = await this.#link.copy(version, staging).catch((thrown: unknown) => {
        if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
        throw new MyelinError('VERSION_UNKNOWN', { project, version: id }, { cause: thrown });
      });
      return this.#folder.locked(async () => {
        await this.#shelf.find(project, id);
        const copied = await findFiles(copy, project);
        const state = await this.#state();
        const known = state.projects[project] ?? { current: id, previous: [] };
        const work = await this.#link.place(copy, id, randomBytes(4).toString('hex'));
        await this.#linkAs({
          ...state,
          ...also,
          active: { project, version: id },
          projects: { ...state.projects, [project]: { current: id, previous: previous(known) } },
          work,
          copiedUnixMs: Math.max(0, ...copied.map(({ changedUnixMs }) => changedUnixMs)),
          linked: false,
        });
        return version;
      });
    });
  }

  /** Writes the state and has the link follow. Under the lock. */
  async #linkAs(state: StoreState): Promise<void> {
    if (state.work === undefined) return;
    await writeState(this.#folder.state, state);
    await this.#link.lead(state.work);
    await writeState(this.#folder.state, { ...state, linked: true });
    await this.#tidyWork(state.work);
  }

  /** Removes copies that nothing leads to. */
  async #tidyWork(work: string | undefined): Promise<void> {
    for (const name of await readdir(this.#folder.work)) {
      if (name !== work) await this.#folder.discard(join(this.#folder.work, name));
    }
  }

  /** The active version, after taking over what people did in `current/` and `default/`. */
  async #takeOver(): Promise<ProjectVersion> {
    const found = await this.#folder.locked(() => this.#look());
    return found.is === 'as it was' ? found.version : this.#folder.staged((staging) => this.#adopt(staging));
  }

  /** Compares what people may have changed with what is in use. Under the lock. */
  async #look(): Promise<Found> {
    const state = await this.#state();
    if (!state.linked) await this.#linkAs(state);
    const project = state.active?.project ?? FIRST_PROJECT;
    const files = await findFiles(this.#folder.current, project);
    // `rm -rf current/*` leaves hidden files behind.
    if (files.every(({ path }) => path.startsWith('.'))) return { is: 'default' };
    const version = state.active && (await this.#shelf.get(project, state.active.version));
    if (version === undefined) return { is: 'edited', project };
    // A version may hold what is not looked at in folders people work in.
    const kept = version.files.filter(({ path }) => !isLitterPath(path));
    if ((await this.#idOf(this.#folder.current, files)) !== versionId(kept)) {
      // A power cut may have torn the copy. It has when nobody has touched it since it was made.
      const untouched = files.every(({ changedUnixMs }) => changedUnixMs <= (state.copiedUnixMs ?? 0));
      const names = (list: readonly { path: string }[]) => list.map(({ path }) => path).join('\n');
      return untouched && names(files) === names(kept) ? { is: 'torn', version } : { is: 'edited', project };
    }
    if (project !== DEFAULT_PROJECT) return { is: 'as it was', version };
    const shipped = await findFiles(this.#folder.default, DEFAULT_PROJECT);
    const edited =
      shipped.length > 0 && (await this.#idOf(this.#folder.default, shipped)) !== state.defaultSeen;
    return edited ? { is: 'default' } : { is: 'as it was', version };
  }

  async #idOf(folder: string, files: readonly FoundFile[]): Promise<string> {
    const stamps = files.map(({ path, stamp }) => `${path} ${stamp}`).join('\n');
    const known = this.#ids.get(folder);
    if (known?.stamps === stamps) return known.id;
    const id = versionId(await hashFiles(folder, files));
    this.#ids.set(folder, { stamps, id });
    return id;
  }

  /** Makes a version of what people put into `current/` or `default/`, and switches to it. */
  async #adopt(staging: string): Promise<ProjectVersion> {
    const { found, made } = await this.#folder.locked(async () => {
      const found = await this.#look();
      if (found.is === 'default') {
        const made = await this.#maker.fromFolder(this.#folder.default, staging, DEFAULT_PROJECT);
        if (made === undefined) throw noDefault(this.#folder.default);
        return { found, made };
      }
      if (found.is !== 'edited') return { found };
      return { found, made: await this.#maker.fromFolder(this.#folder.current, staging, found.project) };
    });
    if (found.is === 'as it was') return found.version;
    if (found.is === 'torn')
      return this.#switch(found.version.project, found.version.id, this.#pushed(found.version.id));
    if (made === undefined) throw noDefault(this.#folder.current);
    const { project, id } = await this.#keepMade(made);
    return this.#switch(project, id, this.#pushed(id), found.is === 'default' ? { defaultSeen: id } : {});
  }

  /** History of a project that goes on to version `id`. */
  #pushed(id: string) {
    return ({ current, previous }: { current: string; previous: readonly string[] }): string[] =>
      current === id
        ? [...previous]
        : [current, ...previous.filter((other) => other !== id)].slice(0, this.#keep);
  }
}

const noDefault = (folder: string): MyelinError =>
  new MyelinError('PROJECT_INVALID', {
    project: DEFAULT_PROJECT,
    reason: `${folder} holds no files`,
    advice: 'Put a project there, or upload one: myelin project push',
  });

const inUse = (project: string, version: string): MyelinError =>
  new MyelinError('PROJECT_IN_USE', { project, version: version.slice(0, 12) });
