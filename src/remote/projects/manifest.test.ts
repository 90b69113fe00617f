import fc from 'fast-check';
import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { checkProjectName, DEFAULT_MANIFEST, readManifest } from './manifest.ts';

const fault = (text: string) => {
  try {
    readManifest(text, 'p');
    return 'accepted';
  } catch (error) {
    return (error as Error).message;
  }
};

it('needs nothing', () => {
  for (const text of ['', '# only words\n', '{}']) expect(readManifest(text, 'p')).toEqual(DEFAULT_MANIFEST);
  expect(DEFAULT_MANIFEST).toEqual({ stateless: false, network: false, arm: true, memoryMiB: 1024 });
});

it('reads every key', () => {
  const manifest = {
    name: 'wave',
    description: 'Waves.',
    language: 'cpp',
    entry: 'bin/wave',
    stateless: true,
    network: true,
    arm: false,
    memoryMiB: 512,
  };
  expect(readManifest(stringify(manifest), 'p')).toEqual(manifest);
});

it.each([
  ['memoryMiB: 8', /myelin.yaml: memoryMiB is 8, but must be a whole number from 64 to 262144/],
  ['memoryMiB: many', /memoryMiB is "many"/],
  ['language: rust', /language is "rust", but must be one of python, cpp, javascript/],
  ['entry: ../x', /entry is "..\/x", but must be the path of a file/],
  ['entry: /bin/sh', /entry is/],
  ['arm: 1', /arm is 1, but must be true or false/],
  ['memory: 512', /"memory" is not a key/],
  ['name: a/b', /name is "a\/b"/],
  ['- a', /must be a list of keys/],
  ['a: [', /myelin.yaml: /],
  ['a: &x [1]\nb: *x', /alias/i],
])('names what is wrong in %j', (text, words) => {
  expect(fault(text)).toMatch(words);
});

it('reads anything or refuses it', () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .dictionary(fc.constantFrom('name', 'entry', 'arm', 'memoryMiB', 'x'), fc.jsonValue())
      .map((value) => stringify(value)),
  );
  fc.assert(
    fc.property(text, (words) => {
      try {
        expect(readManifest(words, 'p').memoryMiB).toBeGreaterThanOrEqual(64);
      } catch (error) {
        expect(error).toMatchObject({ code: 'PROJECT_INVALID' });
      }
    }),
    { numRuns: 150 },
  );
});

it('allows names that are safe as folders', () => {
  for (const name of ['main', 'arm-1', 'A.b_c']) expect(checkProjectName(name)).toBe(name);
  for (const name of ['', '.', '..', '.a', 'a/b', '-a', 'a b', 'ä', 'a'.repeat(65)]) {
    expect(() => checkProjectName(name)).toThrow(/cannot be used/);
  }
});
