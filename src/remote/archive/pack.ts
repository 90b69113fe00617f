import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { crc32, createDeflateRaw } from 'node:zlib';

export interface FileToPack {
  /** Path in the archive, parts joined by `/`. */
  readonly path: string;
  readonly executable: boolean;
}

const VERSION_MADE_BY_UNIX = (3 << 8) | 20;
const VERSION_NEEDED = 20;
/** Sizes follow the data (bit 3); names are UTF-8 (bit 11). */
const FLAGS = 0x0808;
const DEFLATE = 8;
/** The first day the format knows: the same files make the same archive on every day. */
const DATE = (0 << 9) | (1 << 5) | 1;

/**
 * A ZIP archive of files below a folder, chunk by chunk as it is asked for: nothing is held but a buffer and the list
 * of names. Up to 65 535 files, 4 GiB together. The same files give the same bytes.
 */
export async function* pack(folder: string, files: readonly FileToPack[]): AsyncGenerator<Buffer, void> {
  const records: Buffer[] = [];
  let offset = 0;
  for (const file of files) {
    const name = Buffer.from(file.path);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(VERSION_NEEDED, 4);
    local.writeUInt16LE(FLAGS, 6);
    local.writeUInt16LE(DEFLATE, 8);
    local.writeUInt16LE(DATE, 12);
    local.writeUInt16LE(name.length, 26);
    yield Buffer.concat([local, name]);

    let checksum = 0;
    let bytes = 0;
    let compressed = 0;
    const source = createReadStream(join(folder, file.path));
    const deflater = createDeflateRaw();
    source.on('data', (chunk) => {
      checksum = crc32(chunk, checksum);
      bytes += chunk.length;
    });
    source.on('error', (error) => deflater.destroy(error));
    try {
      for await (const chunk of source.pipe(deflater)) {
        compressed += (chunk as Buffer).length;
        yield chunk as Buffer;
      }
    } finally {
      source.destroy();
      deflater.destroy();
    }

    const sizes = Buffer.alloc(16);
    sizes.writeUInt32LE(0x08074b50, 0);
    sizes.writeUInt32LE(checksum, 4);
    sizes.writeUInt32LE(compressed, 8);
    sizes.writeUInt32LE(bytes, 12);
    yield sizes;

    const record = Buffer.alloc(46);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(VERSION_MADE_BY_UNIX, 4);
    local.copy(record, 6, 4, 14);
    sizes.copy(record, 16, 4, 16);
    record.writeUInt16LE(name.length, 28);
    record.writeUInt32LE((0o100000 | (file.executable ? 0o755 : 0o644)) * 0x10000, 38);
    record.writeUInt32LE(offset, 42);
    records.push(record, name);
    offset += local.length + name.length + compressed + sizes.length;
  }
  const directory = Buffer.concat(records);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  yield directory;
  yield end;
}
