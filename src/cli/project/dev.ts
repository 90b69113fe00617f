import { toMyelinError } from '../../core/errors.ts';
import { type Installed, type MyelinClient, RemoteError } from '../../remote/client/index.ts';
import { diffFiles } from '../../remote/projects/diff.ts';
import { hashFiles } from '../../remote/projects/folder-files.ts';
import { readProjectFolder } from '../../remote/projects/project-folder.ts';
import type { ProjectFile } from '../../remote/projects/project-store.ts';
import { FolderWatch } from './folder-watch.ts';
import { type GatewayAddress, short, watching } from './gateway.ts';
import { printNotices } from './logs.ts';
import { nameOf, upload } from './push.ts';
import { untilInterrupted } from './until-interrupted.ts';

/** Keeps a project on the robot the same as a folder here, until Ctrl-C. */
export function dev(folder: string, options: GatewayAddress & { project?: string }): Promise<void> {
  return watching(options, async (client) => {
    const project = options.project ?? (await nameOf(folder, await readProjectFolder(folder)));
    const stop = printNotices(client);
    const pusher = new Pusher(client, folder, project);
    const watch = new FolderWatch(folder, () => pusher.push());
    const interrupted = untilInterrupted();
    await watch.start();
    process.stdout.write(`watching ${folder} for ${project}; Ctrl-C ends\n`);
    await interrupted;
    await watch.close();
    stop();
    process.stdout.write(`${project} stays on the robot as it is\n`);
  });
}

/** Uploads what a folder holds when it is not what was uploaded last. Failures are told, and the next change tried. */
class Pusher {
  readonly #client: MyelinClient;
  readonly #folder: string;
  readonly #project: string;
  #uploaded: readonly ProjectFile[] = [];

  constructor(client: MyelinClient, folder: string, project: string) {
    this.#client = client;
    this.#folder = folder;
    this.#project = project;
  }

  async push(): Promise<void> {
    try {
      const found = await readProjectFolder(this.#folder);
      const files = await hashFiles(this.#folder, found.files);
      const { added, changed, removed } = diffFiles(this.#uploaded, files);
      const marks = [
        ...added.map((path) => `+${path}`),
        ...changed.map((path) => `~${path}`),
        ...removed.map((path) => `-${path}`),
      ];
      if (marks.length === 0) return;
      const first = this.#uploaded.length === 0;
      const started = performance.now();
      const installed = await upload(this.#client.projects, this.#folder, found, this.#project);
      this.#uploaded = files;
      await this.#client.start(this.#project);
      this.#say(installed, performance.now() - started, first ? [] : marks);
    } catch (thrown) {
      if (thrown instanceof RemoteError) process.stderr.write(`${thrown.message}\n  hint: ${thrown.hint}\n`);
      else {
        const { message, hint } = toMyelinError(thrown);
        process.stderr.write(`${message}\n  hint: ${hint}\n`);
      }
    }
  }

  #say({ version }: Installed, tookMs: number, marks: readonly string[]): void {
    const some = marks.length > 6 ? [...marks.slice(0, 5), `and ${marks.length - 5} more`] : marks;
    const what = some.length === 0 ? '' : ` (${some.join(' ')})`;
    process.stdout.write(`${this.#project} ${short(version)} loaded in ${Math.round(tookMs)} ms${what}\n`);
  }
}
