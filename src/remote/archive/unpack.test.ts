import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { extraField, type ZipEntry, type ZipLies, zip } from '../../../test/support/zip-writer.ts';
import { ARCHIVE_LIMITS, type ArchiveLimits } from './limits.ts';
import { unpack } from './unpack.ts';

let root: string;
let parent: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'myelin-unpack-'));
  parent = join(root, 'deep', 'parent');
  mkdirSync(parent, { recursive: true });
  writeFileSync(join(root, 'outside'), 'untouched');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const everything = () =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name !== 'a.zip')
    .sort();

async function outcome(bytes: Uint8Array, limits: ArchiveLimits = ARCHIVE_LIMITS): Promise<unknown> {
  const archive = join(root, 'a.zip');
  writeFileSync(archive, bytes);
  const before = everything();
  try {
    const { files } = await unpack(archive, parent, { limits });
    return `accepted: ${files.map(({ path }) => path)}`;
  } catch (error) {
    expect(everything()).toEqual(before);
    expect(error).toMatchObject({ code: 'ARCHIVE_REFUSED' });
    return (error as { parameters: { rule: string } }).parameters.rule;
  }
}

/** Local header, name and data of an entry `b`. */
const INNER = zip([{ name: 'b', data: 'x' }]).subarray(0, 32);

const HOSTILE: readonly (readonly [string, string, readonly ZipEntry[], ZipLies?])[] = [
  ['a path that climbs out', 'outside-folder', [{ name: 'ok.py' }, { name: '../../outside', data: 'x' }]],
  ['an absolute path', 'absolute-path', [{ name: '/tmp/x' }]],
  ['a Windows path', 'backslash', [{ name: '..\\x' }]],
  ['a drive letter', 'colon', [{ name: 'C:/x' }]],
  ['a NUL in a name', 'control-character', [{ name: 'a\0.py' }]],
  ['overlong UTF-8 dots', 'name-encoding', [{ name: Buffer.from('c0aec0ae2f61', 'hex') }]],
  ['a symbolic link', 'link', [{ name: 'l', data: '/etc/passwd', mode: 0o120777 }]],
  [
    'a link to a folder, then a file in it',
    'link',
    [{ name: 'l', data: '/tmp', mode: 0o120777 }, { name: 'l/x' }],
  ],
  ['a link said to be made on DOS', 'link', [{ name: 'l', data: '/etc', mode: 0o120777, system: 0 }]],
  ['a hard link of PKWARE', 'link', [{ name: 'l', extra: extraField(0x000d, Buffer.alloc(16, 'x')) }]],
  ['a link in an extra field', 'link', [{ name: 'l', extra: extraField(0x756e, Buffer.alloc(18, 'x')) }]],
  ['a Windows junction', 'link', [{ name: 'l', dosAttributes: 0x400, system: 0, mode: 0 }]],
  ['a character device', 'special-file', [{ name: 'd', mode: 0o020666 }]],
  ['a block device', 'special-file', [{ name: 'd', mode: 0o060666 }]],
  ['a named pipe', 'special-file', [{ name: 'd', mode: 0o010666 }]],
  ['a socket', 'special-file', [{ name: 'd', mode: 0o140666 }]],
  ['a folder that holds bytes', 'file-and-folder', [{ name: 'f/', data: 'x' }]],
  ['a folder by mode, a file by name', 'file-and-folder', [{ name: 'f', mode: 0o040755 }]],
  ['the same name twice', 'duplicate', [{ name: 'a' }, { name: 'b' }, { name: 'a' }]],
  ['names that differ in case', 'collision', [{ name: 'a.py' }, { name: 'A.PY' }]],
  ['folders that differ in case', 'collision', [{ name: 'lib/a' }, { name: 'LIB/b' }]],
  ['names that differ in normalisation', 'collision', [{ name: 'é' }, { name: 'e\u0301' }]],
  ['a ligature and its letters', 'collision', [{ name: '\ufb01x' }, { name: 'fix' }]],
  ['a sharp s and its capitals', 'collision', [{ name: 'stra\u00dfe' }, { name: 'STRASSE' }]],
  ['a file that is also a folder', 'file-and-folder', [{ name: 'a' }, { name: 'a/b' }]],
  ['an encrypted file', 'encrypted', [{ name: 'a', flags: 1, data: 'x'.repeat(12), bytes: 0 }]],
  ['strong encryption', 'encrypted', [{ name: 'a', flags: 0x41 }]],
  ['masked names', 'encrypted', [{ name: 'a', flags: 0x2000 }]],
  ['an unknown compression', 'compression', [{ name: 'a', method: 14 }]],
  ['a size that is too small', 'size-lie', [{ name: 'a', method: 8, data: 'x'.repeat(500), bytes: 10 }]],
  ['a size that is too large', 'size-lie', [{ name: 'a', method: 8, data: 'x', bytes: 10 }]],
  ['a wrong checksum', 'checksum', [{ name: 'a', data: 'hello', crc32: 1 }]],
  ['a wrong checksum of deflated bytes', 'checksum', [{ name: 'a', data: 'hello', method: 8, crc32: 1 }]],
  ['compressed bytes that are none', 'damaged', [{ name: 'a', method: 8, raw: Buffer.alloc(40, 0xff) }]],
  [
    'compressed bytes that are cut short',
    'damaged',
    [{ name: 'a', method: 8, data: 'hello', raw: deflateRawSync('hello').subarray(0, 4) }],
  ],
  [
    'bytes after the end of compressed data',
    'damaged',
    [
      {
        name: 'a',
        method: 8,
        data: 'hello',
        raw: Buffer.concat([deflateRawSync('hello'), Buffer.alloc(300_000)]),
      },
    ],
  ],
  ['stored with two sizes', 'damaged', [{ name: 'a', data: 'hello', bytes: 4, compressedBytes: 5 }]],
  [
    'more bytes than the archive has',
    'damaged',
    [{ name: 'a', data: 'x', bytes: 1e6, compressedBytes: 1e6 }],
  ],
  ['another name in the local header', 'header-mismatch', [{ name: 'a', localName: 'b' }]],
  ['another method in the local header', 'header-mismatch', [{ name: 'a', localMethod: 8 }]],
  [
    'an entry inside the bytes of another',
    'overlap',
    [
      { name: 'a', data: INNER },
      { name: 'b', data: 'x', offset: 31 },
    ],
  ],
  ['nothing', 'empty', []],
  ['folders only', 'empty', [{ name: 'a/' }]],
  ['a million entries, as it says', 'too-many-entries', [{ name: 'a' }], { count: 1_000_000, zip64: true }],
  ['more entries than it has', 'damaged', [{ name: 'a' }], { count: 3 }],
  ['a directory that is elsewhere', 'damaged', [{ name: 'a' }], { directoryOffset: 3 }],
  ['a directory beyond all numbers', 'damaged', [{ name: 'a' }], { directoryOffset: 2 ** 62, zip64: true }],
  ['several disks', 'damaged', [{ name: 'a' }], { disk: 1 }],
];

describe('an archive that is refused', () => {
  it.each(HOSTILE.map(([what, rule, entries, lies]) => ({ what, rule, entries, lies })))(
    'has $what',
    async ({ rule, entries, lies }) => {
      expect(await outcome(zip(entries, lies))).toBe(rule);
    },
  );

  it('really holds a million entries', async () => {
    const one = zip([{ name: 'a' }]);
    const record = one.subarray(31, 31 + 47);
    const bytes = Buffer.concat([one.subarray(0, 31), ...Array<Buffer>(1_000_000).fill(record)]);
    const end = zip([], { count: 1_000_000, zip64: true, directoryOffset: 31 });
    // The locator names an offset from the start of the archive.
    const tail = Buffer.from(end);
    tail.writeBigUInt64LE(BigInt(bytes.length), 56 + 8);
    expect(await outcome(Buffer.concat([bytes, tail]))).toBe('too-many-entries');
  });

  it('hides entries behind a count that is too small: those it names are all that is unpacked', async () => {
    expect(await outcome(zip([{ name: 'a' }, { name: 'b' }], { count: 1 }))).toBe('accepted: a');
  });

  it('is a bomb: by its own words, by what comes out, and in sum', async () => {
    const zeros = Buffer.alloc(8 << 20);
    const limits = { ...ARCHIVE_LIMITS, fileBytes: 4 << 20 };
    expect(await outcome(zip([{ name: 'a', method: 8, data: zeros }]), limits)).toBe('file-too-large');
    expect(await outcome(zip([{ name: 'a', method: 8, data: zeros }]))).toBe('ratio');
    // It says 1 MB (which its ratio allows) and would go on for 8.
    const liar = { name: 'a', method: 8, data: zeros, bytes: 1 << 20 };
    expect(await outcome(zip([liar]))).toBe('size-lie');
    const few = { ...ARCHIVE_LIMITS, totalBytes: 1000 };
    const files = ['a', 'b', 'c'].map((name) => ({ name, data: 'x'.repeat(400) }));
    expect(await outcome(zip(files), few)).toBe('total-too-large');
  });

  it('is larger than archives may be', async () => {
    const limits = { ...ARCHIVE_LIMITS, archiveBytes: 100 };
    expect(await outcome(zip([{ name: 'a', data: 'x'.repeat(200) }]), limits)).toBe('archive-too-large');
  });

  it('is cut short anywhere, or is something else', async () => {
    const whole = zip([
      { name: 'main.py', method: 8, data: 'print(1)\n'.repeat(20) },
      { name: 'lib/a.py', data: 'x' },
    ]);
    for (let length = 0; length < whole.length; length += 7) {
      expect(await outcome(whole.subarray(0, length))).toMatch(/not-a-zip|damaged/);
    }
    expect(await outcome(Buffer.from('no archive at all'.repeat(10)))).toBe('not-a-zip');
    expect(await outcome(Buffer.alloc(0))).toBe('not-a-zip');
  });

  it('says which entry and why, without control characters', async () => {
    writeFileSync(join(root, 'a.zip'), zip([{ name: 'bad\u001b[31m/../x' }]));
    const error = await unpack(join(root, 'a.zip'), parent).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ parameters: { rule: 'control-character' } });
    expect((error as Error).message).toMatch(
      /^The archive is refused: "bad\\u001b\[31m\/\.\.\/x" has a control/,
    );
  });

  it('is a link, a folder or missing', async () => {
    writeFileSync(join(root, 'real.zip'), zip([{ name: 'a' }]));
    symlinkSync(join(root, 'real.zip'), join(root, 'a.zip'));
    await expect(unpack(join(root, 'a.zip'), parent)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(unpack(parent, parent)).rejects.toMatchObject({ code: 'ARCHIVE_REFUSED' });
    await expect(unpack(join(root, 'none'), parent)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

describe('an archive that is unpacked', () => {
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

  it('gives a new folder of its own with the files, their sizes and hashes', async () => {
    const text = 'print("你好")\n'.repeat(5000);
    const archive = join(root, 'a.zip');
    const inner = zip([{ name: '../x' }]);
    writeFileSync(
      archive,
      zip([
        { name: 'main.py', method: 8, data: text },
        { name: 'empty/' },
        { name: 'lib/run', data: '#!', mode: 0o106755 },
        { name: 'inner.zip', data: inner },
        { name: '__MACOSX/._main.py', data: 'x' },
        { name: 'lib/.DS_Store', data: 'x' },
      ]),
    );
    const progress: number[] = [];
    const { folder, files, bytes } = await unpack(archive, parent, {
      onProgress: (done) => progress.push(done),
    });
    expect(folder.startsWith(parent)).toBe(true);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(folder, 'main.py'), 'utf8')).toBe(text);
    expect(files.map(({ path }) => path)).toEqual(['main.py', 'lib/run', 'inner.zip']);
    expect(files[0]).toMatchObject({
      bytes: Buffer.byteLength(text),
      sha256: sha256(text),
      executable: false,
    });
    // No setuid bit; an archive inside stays an archive.
    expect(statSync(join(folder, 'lib/run')).mode & 0o7777).toBe(0o755);
    expect(statSync(join(folder, 'empty')).isDirectory()).toBe(true);
    expect(readFileSync(join(folder, 'inner.zip'))).toEqual(inner);
    expect(bytes).toBe(progress.at(-1));
  });

  it('refuses to fill the disk', async () => {
    writeFileSync(join(root, 'a.zip'), zip([{ name: 'a', data: 'x' }]));
    const limits = { ...ARCHIVE_LIMITS, freeBytes: Number.MAX_SAFE_INTEGER };
    await expect(unpack(join(root, 'a.zip'), parent, { limits })).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
    });
    expect(readdirSync(parent)).toEqual([]);
  });
});
