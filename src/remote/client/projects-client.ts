import { z } from 'zod';
import {
  type Installed,
  installedSchema,
  type Loaded,
  loadedSchema,
  type ProjectDetail,
  type ProjectList,
  projectDetailSchema,
  projectDiffSchema,
  projectListSchema,
} from '../protocol/projects.ts';
import type { HttpClient } from './http-client.ts';
import { dataOf } from './read-answer.ts';
import type { UploadBody, UploadProgress } from './upload.ts';

const part = encodeURIComponent;
const query = (fields: Readonly<Record<string, string | number | undefined>>): string => {
  const given = Object.entries(fields).filter(
    (field): field is [string, string | number] => field[1] !== undefined,
  );
  return given.length === 0 ? '' : `?${given.map(([name, value]) => `${name}=${part(value)}`).join('&')}`;
};

/** What a project needs may have to be installed first. `fetch` itself waits five minutes for an answer. */
const PREPARED_MS = 5 * 60_000;

/** Projects and their versions. Every method throws a RemoteError when refused. */
export class ProjectsClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  async list(): Promise<ProjectList['projects']> {
    return (await this.#http.ask('GET', '/api/projects', projectListSchema)).projects;
  }

  /** One project with the files of all its versions, or of the one named. */
  async get(project: string, version?: string): Promise<ProjectDetail> {
    return await this.#http.ask(
      'GET',
      `/api/projects/${part(project)}${query({ version })}`,
      projectDetailSchema,
    );
  }

  /** Uploads a ZIP archive as a new version and switches to it. Needs the right `deploy`. */
  async upload(project: string, archive: UploadBody, progress: UploadProgress = {}): Promise<Installed> {
    const answer = await this.#http.upload(`/api/projects/${part(project)}`, archive, progress);
    return dataOf(answer, installedSchema);
  }

  /** Switches to a version, or to the one that ran before. */
  async rollback(project: string, version?: string): Promise<Installed> {
    const body = version === undefined ? {} : { version };
    const path = `/api/projects/${part(project)}/rollback`;
    return await this.#http.ask('POST', path, installedSchema, { body, timeoutMs: PREPARED_MS });
  }

  /** Loads a project and tells what can be called; that, and not the upload, finds out whether it loads at all. */
  async start(project: string): Promise<Loaded> {
    const path = `/api/projects/${part(project)}/start`;
    return await this.#http.ask('POST', path, loadedSchema, { timeoutMs: PREPARED_MS });
  }

  /** Paths that differ between two versions; `to` is the current one when left out. */
  async diff(project: string, from: string, to?: string): Promise<z.infer<typeof projectDiffSchema>> {
    return await this.#http.ask(
      'GET',
      `/api/projects/${part(project)}/diff${query({ from, to })}`,
      projectDiffSchema,
    );
  }

  /** The ZIP archive of a version, in chunks; of the current one when none is named. */
  download(project: string, version?: string): AsyncGenerator<Uint8Array, void> {
    return this.#http.download(`/api/projects/${part(project)}/archive${query({ version })}`);
  }

  /** Removes a version, or the whole project. Neither may be in use. */
  async remove(project: string, version?: string): Promise<void> {
    await this.#http.ask('DELETE', `/api/projects/${part(project)}${query({ version })}`, z.unknown());
  }

  /** Newest lines of the system's log. */
  async log(lines = 200): Promise<readonly string[]> {
    const schema = z.object({ lines: z.array(z.string()) });
    return (await this.#http.ask('GET', `/api/logs${query({ lines })}`, schema)).lines;
  }
}
