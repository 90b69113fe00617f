import type { ArchiveRule } from './refusal.ts';

/** The parts of a central directory record that say what kind of file an entry is. */
export interface EntryAttributes {
  readonly externalFileAttributes: number;
  readonly extraFields: readonly { readonly id: number; readonly data: Uint8Array }[];
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const DOS_REPARSE_POINT = 0x400;
const DOS_DEVICE = 0x40;
/** Extra fields that can make a link or a device of an entry, whatever its attributes say. */
const PKWARE_UNIX = 0x000d;
const ASI_UNIX = 0x756e;

/**
 * The rule an entry breaks by what it is, or undefined for a plain file or folder. Unix modes are looked at whatever
 * system the archive says it was made on, since unpackers differ in whether they do.
 */
export function brokenByType(entry: EntryAttributes, isFolder: boolean): ArchiveRule | undefined {
  const modes = [entry.externalFileAttributes >>> 16];
  for (const { id, data } of entry.extraFields) {
    if (id === PKWARE_UNIX && data.length > 12) return 'link';
    if (id === ASI_UNIX) {
      // CRC (4), mode (2), size of the link's name or device number (4), owner (2), group (2), the link's name.
      if (data.length > 14) return 'link';
      if (data.length >= 6) modes.push((data[4] ?? 0) | ((data[5] ?? 0) << 8));
    }
  }
  for (const mode of modes) {
    const type = mode & S_IFMT;
    if (type === S_IFLNK) return 'link';
    if (type !== 0 && type !== S_IFREG && type !== S_IFDIR) return 'special-file';
    if (type === S_IFDIR && !isFolder) return 'file-and-folder';
    if (type === S_IFREG && isFolder) return 'file-and-folder';
  }
  if ((entry.externalFileAttributes & DOS_REPARSE_POINT) !== 0) return 'link';
  if ((entry.externalFileAttributes & DOS_DEVICE) !== 0) return 'special-file';
  return undefined;
}

/** Whether its owner may execute it. No other bit of the mode is taken over: no setuid, no sticky bit. */
export const isExecutable = (entry: EntryAttributes): boolean =>
  ((entry.externalFileAttributes >>> 16) & 0o100) !== 0;
