import { createHash } from 'node:crypto';

/** Recomputes the name a blob has in the cache from its bytes. */
export interface Checksum {
  add(bytes: Uint8Array): void;
  /** Once, at the end: hexadecimal. */
  result(): string;
}

/**
 * The checksum whose value `expected` is, told by its length: SHA-256 of the bytes for large files; for others what
 * git calls them, SHA-1 of `blob SIZE`, a zero byte and the bytes.
 */
export function checksumLike(expected: string, bytes: number): Checksum {
  const hash = createHash(expected.length === 64 ? 'sha256' : 'sha1');
  if (expected.length !== 64) hash.update(`blob ${bytes}\0`);
  return { add: (piece) => void hash.update(piece), result: () => hash.digest('hex') };
}
