import { readProjectFolder } from '../../remote/projects/project-folder.ts';

const LOOK_MS = 250;

/**
 * Calls `onChange` once at the start, and whenever files of a project folder have changed and have then rested for
 * one look. It looks at them, rather than being told by the system: that works on shared and network folders too, and
 * heeds the same ignore rules as uploads.
 */
export class FolderWatch {
  readonly #folder: string;
  readonly #onChange: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #seen = '';
  #handled = '';
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(folder: string, onChange: () => Promise<void>) {
    this.#folder = folder;
    this.#onChange = onChange;
  }

  /** Resolves after the first call of `onChange`. @throws MyelinError FILE_NOT_FOUND */
  async start(): Promise<void> {
    this.#handled = this.#seen = await this.#look();
    await this.#onChange();
    this.#plan();
  }

  /** Waits for a running `onChange`. Can be called twice. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #plan(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#step().finally(() => this.#plan());
    }, LOOK_MS);
  }

  async #step(): Promise<void> {
    const now = await this.#look();
    const rested = now === this.#seen;
    this.#seen = now;
    if (!rested || now === this.#handled) return;
    this.#handled = now;
    await this.#onChange();
  }

  /** What there is, as one text. A folder that is being moved about looks empty for a moment. */
  async #look(): Promise<string> {
    try {
      const { files } = await readProjectFolder(this.#folder);
      return files.map(({ path, stamp }) => `${path} ${stamp}`).join('\n');
    } catch (thrown) {
      if (this.#handled === '') throw thrown;
      return this.#seen;
    }
  }
}
