import { linkSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { CAMERA_SEGMENT_PREFIX } from '../../segment/camera-layout.ts';

const DIRECTORY = '/dev/shm';
const LOOK_MS = 500;

/** Folder of this process's views, hidden from listings of segments. Whoever cleans up after us removes it. */
export const viewsFolder = (): string => join(DIRECTORY, `.myelin-${process.pid}`);

export interface SharedWish {
  /** Segment of the arm; left out for a project that may not drive it. */
  readonly segment?: string;
  readonly cameras: boolean;
}

/**
 * What a project sees of the shared memory: a folder with the arm's segment and nothing else, to be shown as its
 * /dev/shm, and one with the rings of all cameras, to be shown read-only. A file is there by a second name of it; when
 * its owner starts again and makes a new one, the view follows.
 */
export class SharedView {
  /** With the arm's segment. */
  readonly armFolder: string;
  readonly cameraFolder: string;
  readonly #folder: string;
  readonly #wish: SharedWish;
  readonly #timer: NodeJS.Timeout;
  /** Inode by name of what is shown now. */
  readonly #shown = new Map<string, number>();

  constructor(name: string, wish: SharedWish) {
    this.#folder = join(viewsFolder(), name);
    this.armFolder = join(this.#folder, 'arm');
    this.cameraFolder = join(this.#folder, 'cameras');
    this.#wish = wish;
    for (const folder of [this.armFolder, this.cameraFolder]) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
    this.#look();
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #look(): void {
    const { segment, cameras } = this.#wish;
    if (segment !== undefined) this.#follow(this.armFolder, segment);
    if (!cameras) return;
    const rings = readdirSync(DIRECTORY).filter((name) => name.startsWith(CAMERA_SEGMENT_PREFIX));
    // Those that went away too.
    const known = [...this.#shown.keys()].filter((name) => name !== segment);
    for (const ring of new Set([...rings, ...known])) this.#follow(this.cameraFolder, ring);
  }

  #follow(folder: string, name: string): void {
    const inside = join(folder, name);
    const outside = join(DIRECTORY, name);
    const inode = inodeOf(outside);
    if (inode === this.#shown.get(name)) return;
    try {
      if (inode === undefined) {
        unlinkSync(inside);
        this.#shown.delete(name);
        return;
      }
      const fresh = `${inside}.new`;
      rmSync(fresh, { force: true });
      linkSync(outside, fresh);
      renameSync(fresh, inside);
      this.#shown.set(name, inode);
    } catch {
      // It went away at that moment, or is another user's, who shows it to nobody. The next look tries again.
      this.#shown.delete(name);
    }
  }
}

const inodeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino;
