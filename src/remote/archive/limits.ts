const KiB = 1024;
const MiB = 1024 * KiB;

/** Everything an archive may cost, in one place. What an archive says of itself is never believed: bytes are counted. */
export interface ArchiveLimits {
  /** Bytes of the archive itself. */
  readonly archiveBytes: number;
  /** Files and folders in it. */
  readonly entries: number;
  /** Inflated bytes of one file. */
  readonly fileBytes: number;
  /** Inflated bytes of all files. */
  readonly totalBytes: number;
  /** Inflated bytes for each compressed one, of a file and of the whole. */
  readonly ratio: number;
  /** Below this many inflated bytes the ratio does not matter. */
  readonly ratioFromBytes: number;
  /** UTF-8 bytes of a path, and of one name in it. */
  readonly pathBytes: number;
  readonly nameBytes: number;
  /** Names in a path: `a/b/c` has 3. */
  readonly depth: number;
  /** Bytes that stay free on the disk. */
  readonly freeBytes: number;
}

export const ARCHIVE_LIMITS: ArchiveLimits = {
  archiveBytes: 512 * MiB,
  entries: 10_000,
  fileBytes: 1024 * MiB,
  totalBytes: 2048 * MiB,
  ratio: 200,
  ratioFromBytes: MiB,
  pathBytes: 400,
  nameBytes: 200,
  depth: 24,
  freeBytes: 64 * MiB,
};
