import { crc32, deflateRawSync } from 'node:zlib';

/** An entry, and the lies the archive tells about it. Everything left out is true. */
export interface ZipEntry {
  readonly name: string | Uint8Array;
  readonly data?: string | Uint8Array;
  /** 0 stored (default), 8 deflated; any other number is written over bytes that are stored. */
  readonly method?: number;
  /** Unix mode with file type. Default: 0o100644, of a folder 0o040755. */
  readonly mode?: number;
  /** Lower half of the external attributes (DOS). */
  readonly dosAttributes?: number;
  /** System that made it. Default 3, Unix. */
  readonly system?: number;
  readonly flags?: number;
  readonly crc32?: number;
  /** Size before and after compression, as both headers say it. */
  readonly bytes?: number;
  readonly compressedBytes?: number;
  /** Compressed bytes to write in place of the real ones. */
  readonly raw?: Uint8Array;
  readonly localName?: string;
  readonly localMethod?: number;
  readonly extra?: Uint8Array;
  /** Position of its local header; with one, no local header and no data are written. */
  readonly offset?: number;
}

export interface ZipLies {
  /** Number of entries at the end of the archive. */
  readonly count?: number;
  /** Write the end in the 64-bit form. */
  readonly zip64?: boolean;
  readonly directoryOffset?: number;
  readonly disk?: number;
  readonly comment?: string;
}

/** An extra field. */
export function extraField(id: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(id, 0);
  head.writeUInt16LE(data.length, 2);
  return Buffer.concat([head, data]);
}

/** A ZIP archive, honest unless told otherwise. */
export function zip(entries: readonly ZipEntry[], lies: ZipLies = {}): Buffer {
  const parts: Buffer[] = [];
  const records: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.name as string);
    const data = Buffer.from((entry.data as string | undefined) ?? '');
    const method = entry.method ?? 0;
    const raw = Buffer.from(entry.raw ?? (method === 8 ? deflateRawSync(data) : data));
    const extra = Buffer.from(entry.extra ?? []);
    const isFolder = name.at(-1) === 0x2f;

    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(entry.flags ?? 0x0800, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt16LE(0x21, 8);
    common.writeUInt32LE(entry.crc32 ?? crc32(data), 10);
    common.writeUInt32LE(entry.compressedBytes ?? raw.length, 14);
    common.writeUInt32LE(entry.bytes ?? data.length, 18);
    common.writeUInt16LE(name.length, 22);

    const record = Buffer.alloc(46);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(((entry.system ?? 3) << 8) | 20, 4);
    common.copy(record, 6);
    record.writeUInt16LE(extra.length, 30);
    const mode = entry.mode ?? (isFolder ? 0o040755 : 0o100644);
    record.writeUInt32LE(mode * 0x10000 + (entry.dosAttributes ?? 0), 38);
    record.writeUInt32LE(entry.offset ?? offset, 42);
    records.push(record, name, extra);

    if (entry.offset === undefined) {
      const localName = Buffer.from(entry.localName ?? name);
      const local = Buffer.alloc(30);
      local.writeUInt32LE(0x04034b50, 0);
      common.copy(local, 4);
      local.writeUInt16LE(entry.localMethod ?? method, 8);
      local.writeUInt16LE(localName.length, 26);
      parts.push(local, localName, raw);
      offset += local.length + localName.length + raw.length;
    }
  }
  const directory = Buffer.concat(records);
  return Buffer.concat([...parts, directory, end(entries.length, offset, directory.length, lies)]);
}

function end(entries: number, offset: number, length: number, lies: ZipLies): Buffer {
  const count = lies.count ?? entries;
  const start = lies.directoryOffset ?? offset;
  const comment = Buffer.from(lies.comment ?? '');
  const last = Buffer.alloc(22);
  last.writeUInt32LE(0x06054b50, 0);
  last.writeUInt16LE(lies.disk ?? 0, 4);
  last.writeUInt16LE(count % 65_536, 8);
  last.writeUInt16LE(count % 65_536, 10);
  last.writeUInt32LE(length, 12);
  last.writeUInt32LE(start % 2 ** 32, 16);
  last.writeUInt16LE(comment.length, 20);
  if (lies.zip64 !== true) return Buffer.concat([last, comment]);
  const wide = Buffer.alloc(56);
  wide.writeUInt32LE(0x06064b50, 0);
  wide.writeBigUInt64LE(44n, 4);
  wide.writeBigUInt64LE(BigInt(count), 24);
  wide.writeBigUInt64LE(BigInt(count), 32);
  wide.writeBigUInt64LE(BigInt(length), 40);
  wide.writeBigUInt64LE(BigInt(start), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(offset + length), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([wide, locator, last, comment]);
}
