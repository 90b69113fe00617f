import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readEntryName } from './entry-name.ts';
import { ARCHIVE_LIMITS } from './limits.ts';

const read = (name: string | Uint8Array) =>
  readEntryName(typeof name === 'string' ? Buffer.from(name) : name, ARCHIVE_LIMITS);
const rule = (name: string | Uint8Array): unknown => {
  try {
    return `accepted as ${read(name).path}`;
  } catch (error) {
    return (error as { parameters?: { rule?: unknown } }).parameters?.rule ?? error;
  }
};

describe('the name of an entry', () => {
  it.each([
    ['main.py', 'main.py', false],
    ['lib/', 'lib', true],
    ['lib/deep/er.py', 'lib/deep/er.py', false],
    ['.hidden', '.hidden', false],
    ['...a', '...a', false],
    ['%2e%2e%2fa', '%2e%2e%2fa', false],
    ['机器人/说明 1.md', '机器人/说明 1.md', false],
    ['with space.txt', 'with space.txt', false],
    ['~home', '~home', false],
  ])('is taken as it is: %s', (name, path, isFolder) => {
    expect(read(name)).toEqual({ path, isFolder });
  });

  it.each([
    ['../a', 'outside-folder'],
    ['a/../b', 'outside-folder'],
    ['a/..', 'outside-folder'],
    ['..', 'outside-folder'],
    ['./a', 'outside-folder'],
    ['a/./b', 'outside-folder'],
    ['a/.. /b', 'outside-folder'],
    ['a/ ../b', 'outside-folder'],
    ['.../a', 'outside-folder'],
    ['\uff0e\uff0e/a', 'outside-folder'],
    ['\u2025/a', 'outside-folder'],
    ['a\uff0fb', 'outside-folder'],
    ['/etc/passwd', 'absolute-path'],
    ['//server/share', 'absolute-path'],
    ['/', 'absolute-path'],
    ['\uff0fetc', 'absolute-path'],
    ['..\\a', 'backslash'],
    ['\\\\server\\share', 'backslash'],
    ['a\uff3cb', 'backslash'],
    ['C:/a', 'colon'],
    ['C:a', 'colon'],
    ['a/b:stream', 'colon'],
    ['main.py\u0000.txt', 'control-character'],
    ['a\nb', 'control-character'],
    ['a\u202eb', 'control-character'],
    ['a\u200bb', 'control-character'],
    ['a\u007fb', 'control-character'],
    ['', 'empty-name'],
    ['a//b', 'empty-name'],
    ['main.py.', 'name-ending'],
    ['main.py ', 'name-ending'],
    [' main.py', 'name-ending'],
    ['NUL', 'device-name'],
    ['lib/aux.py', 'device-name'],
    ['com1.txt', 'device-name'],
    [`${'a/'.repeat(30)}b`, 'path-too-deep'],
    ['a'.repeat(201), 'path-too-long'],
    [`${'a'.repeat(150)}/${'b'.repeat(150)}/${'c'.repeat(150)}`, 'path-too-long'],
    [Uint8Array.of(0xc0, 0xae, 0xc0, 0xae, 0x2f, 0x61), 'name-encoding'],
    [Uint8Array.of(0x82, 0x61), 'name-encoding'],
    [Uint8Array.of(0xed, 0xa0, 0x80), 'name-encoding'],
  ])('is refused: %j for %s', (name, expected) => {
    expect(rule(name)).toBe(expected);
  });

  it('stays below the folder whatever the bytes are', () => {
    const pieces = fc.constantFrom(
      '..',
      '.',
      '/',
      '\\',
      'a',
      ' ',
      '\u0000',
      'C:',
      '\uff0e',
      '\uff0f',
      'é',
      '~',
    );
    const name = fc.oneof(
      fc.array(pieces, { maxLength: 12 }).map((parts) => Buffer.from(parts.join(''))),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(name, (bytes) => {
        let path: string;
        try {
          path = read(bytes).path;
        } catch (error) {
          expect(error).toMatchObject({ code: 'ARCHIVE_REFUSED' });
          return;
        }
        const parts = path.split('/');
        expect(parts.every((part) => !['', '.', '..'].includes(part.normalize('NFKC')))).toBe(true);
        expect(path).not.toMatch(/[\\:\0]/);
      }),
      { numRuns: 1000 },
    );
  });
});
