import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ZipEntry, zip } from '../../../test/support/zip-writer.ts';
import { unpack } from '../archive/unpack.ts';
import { DiskStore } from './disk-store.ts';
import type { LanguageKind } from './recognise.ts';

const KINDS: readonly LanguageKind[] = [
  { language: 'python', recognises: (files) => files.includes('main.py') },
  { language: 'javascript', recognises: (files) => files.includes('main.mjs') },
];

let root: string;
let storageDir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'myelin-store-'));
  storageDir = join(root, 'projects');
  mkdirSync(join(root, 'shipped', 'lib'), { recursive: true });
  writeFileSync(join(root, 'shipped', 'main.py'), 'shipped = 1');
  writeFileSync(join(root, 'shipped', 'lib', 'a.py'), 'a');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const open = (keep?: number) =>
  DiskStore.open({ storageDir, kinds: KINDS, shipped: join(root, 'shipped'), ...(keep ? { keep } : {}) });
const archive = (entries: readonly ZipEntry[]) => {
  const file = join(root, 'upload.zip');
  writeFileSync(file, zip(entries));
  return file;
};
const python = (text: string) => archive([{ name: 'main.py', data: text, method: 8 }]);
const push = async (store: DiskStore, text: string, project?: string) => {
  const { id } = await store.add(python(text), project === undefined ? {} : { project });
  const { projects } = { projects: await store.list() };
  const found = projects.find(({ versions }) => versions.some((version) => version.id === id));
  return store.switchTo(found?.project ?? '', id);
};
const current = (name = 'main.py') => readFileSync(join(storageDir, 'current', name), 'utf8');
/** Everything on disk but what merely waits, without times. */
const picture = () =>
  readdirSync(storageDir, { recursive: true, encoding: 'utf8' })
    .filter((name) => !/^(lock|staging|trash)/.test(name))
    .sort();

describe('a new store', () => {
  it('runs a copy of the project that ships, with no upload', async () => {
    const store = await open();
    const version = await store.current();
    expect(version).toMatchObject({ project: 'default', language: 'python' });
    expect(readFileSync(join(version.folder, 'main.py'), 'utf8')).toBe('shipped = 1');
    expect(current()).toBe('shipped = 1');
    expect(current('lib/a.py')).toBe('a');
    expect((await (await open()).current()).id).toBe(version.id);
  });

  it('has no project when nothing ships', async () => {
    const store = await DiskStore.open({ storageDir, kinds: KINDS });
    await expect(store.current()).rejects.toMatchObject({ code: 'PROJECT_INVALID' });
    expect(await store.list()).toEqual([]);
  });
});

describe('an upload', () => {
  it('is a version that runs after the switch, and not before', async () => {
    const store = await open();
    await store.current();
    const { id } = await store.add(python('one'));
    expect(current()).toBe('shipped = 1');
    const version = await store.switchTo('main', id.slice(0, 8));
    expect(current()).toBe('one');
    expect(await store.current()).toEqual(version);
    expect(version.files).toMatchObject([{ path: 'main.py', bytes: 3 }]);
    expect(readFileSync(join(storageDir, 'default', 'main.py'), 'utf8')).toBe('shipped = 1');
  });

  it('of the same files is the same version, whatever the archive looks like', async () => {
    const store = await open();
    const first = await store.add(
      archive([
        { name: 'main.py', data: 'x' },
        { name: 'b', data: 'y' },
      ]),
    );
    const again = await store.add(
      archive([
        { name: 'b', data: 'y', method: 8 },
        { name: 'main.py', data: 'x' },
      ]),
    );
    expect(again.id).toBe(first.id);
    const executable = await store.add(
      archive([
        { name: 'main.py', data: 'x', mode: 0o100755 },
        { name: 'b', data: 'y' },
      ]),
    );
    expect(executable.id).not.toBe(first.id);
  });

  it('cannot be written to, and its folder is not the one people edit', async () => {
    const store = await open();
    const version = await push(store, 'one');
    expect(statSync(version.folder).mode & 0o777).toBe(0o555);
    expect(statSync(join(version.folder, 'main.py')).mode & 0o777).toBe(0o444);
    expect(realpathSync(join(storageDir, 'current'))).not.toBe(version.folder);
    expect(statSync(join(storageDir, 'current', 'main.py')).mode & 0o200).toBe(0o200);
  });

  it('made of the folder instead of its files is understood', async () => {
    const store = await open();
    const version = await store.add(
      archive([{ name: 'my/' }, { name: 'my/main.py', data: 'x' }, { name: 'my/b/c', data: 'y' }]),
    );
    expect(version.files.map(({ path }) => path)).toEqual(['b/c', 'main.py']);
    expect(readFileSync(join(version.folder, 'b/c'), 'utf8')).toBe('y');
  });

  it('goes to the project it names, the one in use, or main', async () => {
    const store = await open();
    await store.current();
    expect(await store.add(python('1'))).toMatchObject({ project: 'main' });
    expect(await store.add(python('1'), { project: 'arm-1' })).toMatchObject({ project: 'arm-1' });
    const named = archive([
      { name: 'main.py' },
      { name: 'myelin.yaml', data: 'name: wave\nlanguage: python' },
    ]);
    const wave = await store.add(named);
    expect(wave).toMatchObject({ project: 'wave', manifest: { name: 'wave', arm: true, memoryMiB: 1024 } });
    await store.switchTo('wave', wave.id);
    expect(await store.add(python('2'))).toMatchObject({ project: 'wave' });
  });

  it.each([
    ['a hostile archive', [{ name: '../main.py' }], 'ARCHIVE_REFUSED'],
    ['no known language', [{ name: 'notes.txt' }], 'PROJECT_INVALID'],
    [
      'a manifest with an unknown key',
      [{ name: 'main.py' }, { name: 'myelin.yaml', data: 'nme: x' }],
      'PROJECT_INVALID',
    ],
    [
      'an entry that is not there',
      [{ name: 'myelin.yaml', data: 'language: python\nentry: x.py' }],
      'PROJECT_INVALID',
    ],
    ['a language that is not there', [{ name: 'myelin.yaml', data: 'language: cpp' }], 'PROJECT_INVALID'],
    [
      'the name of the default project',
      [{ name: 'main.py' }, { name: 'myelin.yaml', data: 'name: default' }],
      'PROJECT_INVALID',
    ],
  ])('with %s changes nothing on disk', async (_, entries, code) => {
    const store = await open();
    await push(store, 'one');
    const before = picture();
    await expect(store.add(archive(entries))).rejects.toMatchObject({ code });
    await expect(store.add(python('x'), { project: '../out' })).rejects.toMatchObject({
      code: 'PROJECT_INVALID',
    });
    expect(picture()).toEqual(before);
    expect(readdirSync(join(storageDir, 'staging'))).toEqual([]);
    expect(current()).toBe('one');
  });
});

describe('versions', () => {
  it('are gone back through one by one, or by name', async () => {
    const store = await open();
    const [one, two, three] = [await push(store, '1'), await push(store, '2'), await push(store, '3')];
    expect((await store.rollback()).id).toBe(two.id);
    expect((await store.rollback('main')).id).toBe(one.id);
    expect(current()).toBe('1');
    await expect(store.rollback()).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' });
    expect((await store.rollback('main', three.id.slice(0, 6))).id).toBe(three.id);
    await store.remove('main', one.id);
    await push(store, '1');
    expect((await store.rollback()).id).toBe(three.id);
  });

  it('are kept up to a number, the current one always', async () => {
    const store = await open(3);
    const first = await push(store, 'first');
    for (let index = 0; index < 6; index++) await store.add(python(`v${index}`));
    const [main] = await store.list();
    expect(main?.versions).toHaveLength(4);
    expect(main?.versions.map(({ id }) => id)).toContain(first.id);
    expect(main).toMatchObject({ project: 'main', current: first.id, active: true });
  });

  it('are removed unless in use, and projects with them', async () => {
    const store = await open();
    const old = await push(store, 'old');
    const now = await push(store, 'now');
    await expect(store.remove('main', now.id)).rejects.toMatchObject({ code: 'PROJECT_IN_USE' });
    await expect(store.remove('main')).rejects.toMatchObject({ code: 'PROJECT_IN_USE' });
    await store.remove('main', old.id);
    await expect(store.version('main', old.id)).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' });
    await expect(store.version('main', '')).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' });
    await expect(store.remove('none')).rejects.toMatchObject({ code: 'PROJECT_UNKNOWN' });
    const data = await store.dataFolder('main');
    await push(store, 'other', 'other');
    await store.remove('main');
    expect((await store.list()).map(({ project }) => project)).toEqual(['other']);
    expect(existsSync(data)).toBe(false);
    expect((await store.current()).project).toBe('other');
  });

  it('differ by their files', async () => {
    const store = await open();
    const a = await store.add(archive([{ name: 'main.py', data: '1' }, { name: 'gone' }, { name: 'same' }]));
    const b = await store.add(archive([{ name: 'main.py', data: '2' }, { name: 'new' }, { name: 'same' }]));
    expect(await store.diff('main', a.id, b.id)).toEqual({
      added: ['new'],
      removed: ['gone'],
      changed: ['main.py'],
    });
  });

  it('are downloaded as an archive of the same files', async () => {
    const store = await open();
    const version = await store.add(
      archive([
        { name: 'main.py', data: 'x' },
        { name: 'bin/run', data: 'y', mode: 0o100755 },
      ]),
    );
    const chunks: Buffer[] = [];
    for await (const chunk of store.download('main', version.id)) chunks.push(chunk);
    const file = join(root, 'download.zip');
    writeFileSync(file, Buffer.concat(chunks));
    const again = await store.add(file);
    expect(again.id).toBe(version.id);
    expect((await unpack(file, root)).files).toHaveLength(2);
  });
});

describe('what people do by hand', () => {
  it('counts: an edited default project runs from the next look on', async () => {
    const store = await open();
    await store.current();
    writeFileSync(join(storageDir, 'default', 'main.py'), 'mine = 2');
    expect(readFileSync(join((await store.current()).folder, 'main.py'), 'utf8')).toBe('mine = 2');
    expect(current()).toBe('mine = 2');
    await open();
    expect(readFileSync(join(storageDir, 'default', 'main.py'), 'utf8')).toBe('mine = 2');
    const before = await store.rollback();
    expect((await store.current()).id).toBe(before.id);
  });

  it('brings the default project back by emptying current/, and keeps the versions', async () => {
    const store = await open();
    const { id } = await push(store, 'one');
    writeFileSync(join(storageDir, 'current', '.hidden'), '');
    rmSync(join(storageDir, 'current', 'main.py'));
    expect(await (await open()).current()).toMatchObject({ project: 'default' });
    expect(current()).toBe('shipped = 1');
    expect((await store.rollback('main')).id).toBe(id);
    expect(current()).toBe('one');
    rmSync(join(storageDir, 'current'));
    expect(await store.current()).toMatchObject({ project: 'default' });
  });

  it('makes a version of what is copied into or edited in current/', async () => {
    const store = await open();
    const { id } = await push(store, 'one');
    cpSync(join(storageDir, 'default'), realpathSync(join(storageDir, 'current')), { recursive: true });
    mkdirSync(join(storageDir, 'current', '__pycache__'));
    writeFileSync(join(storageDir, 'current', '__pycache__', 'main.pyc'), 'x');
    const edited = await store.current();
    expect(edited).toMatchObject({ project: 'main' });
    expect(edited.files.map(({ path }) => path)).toEqual(['lib/a.py', 'main.py']);
    expect(edited.id).not.toBe(id);
    expect((await store.rollback()).id).toBe(id);
  });

  it('takes over a folder current/ of an older program', async () => {
    mkdirSync(join(storageDir, 'current'), { recursive: true });
    writeFileSync(join(storageDir, 'current', 'main.mjs'), 'x');
    const store = await open();
    expect(await store.current()).toMatchObject({ project: 'main', language: 'javascript' });
    await push(store, 'new');
    expect(current()).toBe('new');
  });

  it('is refused with words where it cannot be a version', async () => {
    const store = await open();
    await store.current();
    symlinkSync('/etc/passwd', join(storageDir, 'current', 'link'));
    await expect(store.current()).rejects.toMatchObject({ code: 'PROJECT_INVALID' });
  });
});

describe('a store that was left in the middle', () => {
  it('finishes a switch whose link had not followed yet', async () => {
    const store = await open();
    const { id } = await push(store, 'one');
    const file = join(storageDir, 'state.json');
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), linked: false }));
    rmSync(join(storageDir, 'current'));
    expect((await store.current()).id).toBe(id);
    expect(current()).toBe('one');
  });

  it('copies a version anew when a power cut tore the copy, and takes an edit for an edit', async () => {
    const store = await open();
    const { id } = await push(store, 'one');
    const copy = join(storageDir, 'current', 'main.py');
    writeFileSync(copy, '');
    // As if the file had been so since it was made.
    const file = join(storageDir, 'state.json');
    const state = { ...JSON.parse(readFileSync(file, 'utf8')), copiedUnixMs: Date.now() + 1000 };
    writeFileSync(file, JSON.stringify(state));
    expect((await store.current()).id).toBe(id);
    expect(current()).toBe('one');
    await new Promise((done) => setTimeout(done, 20));
    writeFileSync(join(storageDir, 'current', 'main.py'), '');
    expect((await store.current()).id).not.toBe(id);
  });

  it('keeps files in versions that it does not look at in current/', async () => {
    const store = await open();
    const { id, project } = await store.add(
      archive([{ name: 'main.py' }, { name: 'lib/a.pyc' }, { name: '.git/x' }]),
    );
    await store.switchTo(project, id);
    expect((await store.current()).id).toBe(id);
    expect((await store.version(project)).files).toHaveLength(3);
  });

  it('sweeps what a dead process left, not what a living one makes', async () => {
    const store = await open();
    await store.current();
    const left = join(storageDir, 'staging', 'dead', 'files');
    mkdirSync(left, { recursive: true });
    writeFileSync(join(left, 'main.py'), 'x');
    chmodSync(left, 0o555);
    mkdirSync(join(storageDir, 'trash', 'old'), { recursive: true });
    const archiveFile = python('x'.repeat(100_000));
    const adding = Promise.all(Array.from({ length: 5 }, () => store.add(archiveFile)));
    for (let index = 0; index < 10; index++) await open();
    await adding;
    expect(readdirSync(join(storageDir, 'staging'))).toEqual([]);
    expect(readdirSync(join(storageDir, 'trash'))).toEqual([]);
  });
});
