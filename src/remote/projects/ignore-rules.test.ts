import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IgnoreRules } from './ignore-rules.ts';

const ignored = (rules: string, path: string) =>
  new IgnoreRules(rules).ignores(path.replace(/\/$/, ''), path.endsWith('/'));

describe('rules like those of .gitignore', () => {
  it.each([
    ['*.log', 'a.log', true],
    ['*.log', 'deep/er/a.log', true],
    ['*.log', 'a.log.txt', false],
    ['/build', 'build', true],
    ['/build', 'src/build', false],
    ['build/', 'build/', true],
    ['build/', 'build', false],
    ['build/', 'src/build/a.o', true],
    ['src/*.o', 'src/a.o', true],
    ['src/*.o', 'src/deep/a.o', false],
    ['src/**/a', 'src/a', true],
    ['src/**/a', 'src/x/y/a', true],
    ['**/data', 'x/data', true],
    ['data/**', 'data/x/y', true],
    ['data/**', 'data/', false],
    ['a?c', 'abc', true],
    ['a?c', 'a/c', false],
    ['[ab].py', 'a.py', true],
    ['[!ab].py', 'a.py', false],
    ['[!ab].py', 'c.py', true],
    ['*.py\n!main.py', 'main.py', false],
    ['*.py\n!main.py', 'b.py', true],
    ['lib/\n!lib/keep.py', 'lib/keep.py', true],
    ['# *.py', 'a.py', false],
    ['\\#a', '#a', true],
    ['\\!a', '!a', true],
    ['a.b', 'axb', false],
    ['a  ', 'a', true],
    ['', 'a', false],
    ['文件*', '文件一', true],
  ])('%j and %s: %s', (rules, path, expected) => {
    expect(ignored(rules, path)).toBe(expected);
  });

  it('read any text without failing, and quickly', () => {
    const text = fc.array(fc.constantFrom('*', '**', '/', '[', ']', '!', '?', '\\', 'a', '-', '\n', '('), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(text, (parts) => {
        const rules = new IgnoreRules(parts.join(''));
        expect(typeof rules.ignores('a/a/a/a', false)).toBe('boolean');
      }),
      { numRuns: 300 },
    );
  });
});
