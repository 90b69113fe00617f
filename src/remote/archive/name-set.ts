import type { EntryName } from './entry-name.ts';
import { printable, refusal } from './refusal.ts';

interface Known {
  readonly spelling: string;
  readonly isFolder: boolean;
  /** Named by an entry of its own, not only as the folder of another. */
  explicit: boolean;
}

/**
 * The names of an archive so far. Two that are equal, or that a system would take for equal (letter case, Unicode
 * normalisation), are refused, since the second would replace the first; so is a file that is also a folder.
 */
export class NameSet {
  readonly #known = new Map<string, Known>();

  /** @throws MyelinError ARCHIVE_REFUSED: duplicate, collision, file-and-folder */
  add({ path, isFolder }: EntryName): void {
    const parts = path.split('/');
    let spelling = '';
    for (const [index, part] of parts.entries()) {
      spelling = index === 0 ? part : `${spelling}/${part}`;
      const last = index === parts.length - 1;
      this.#addOne(spelling, last ? isFolder : true, last, path);
    }
  }

  #addOne(spelling: string, isFolder: boolean, explicit: boolean, entry: string): void {
    const key = fold(spelling);
    const known = this.#known.get(key);
    if (known === undefined) {
      this.#known.set(key, { spelling, isFolder, explicit });
      return;
    }
    if (known.spelling !== spelling) throw refusal('collision', entry, `as ${printable(known.spelling)}`);
    if (known.isFolder !== isFolder) throw refusal('file-and-folder', spelling);
    if (explicit && known.explicit) throw refusal('duplicate', spelling);
    known.explicit ||= explicit;
  }
}

/** Equal for names that a system which ignores case or normalises Unicode holds for the same. */
const fold = (text: string): string => text.normalize('NFKD').toUpperCase().toLowerCase().normalize('NFKD');
