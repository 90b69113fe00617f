import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkpointFiles } from '../src/policies/hub/checkpoint-files.ts';
import { download } from '../src/policies/hub/download.ts';
import { HubClient } from '../src/policies/hub/hub-client.ts';
import { type HubReference, parseHubReference } from '../src/policies/hub/hub-reference.ts';
import { type HubSettings, hubSettings } from '../src/policies/hub/hub-settings.ts';
import { type DownloadProgress, type HubOptions, hubSnapshot } from '../src/policies/hub/hub-snapshot.ts';
import { localCheckpoint } from '../src/policies/hub/local-checkpoint.ts';
import { LocalHub } from './support/local-hub.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const OLDER = 'fedcba9876543210fedcba9876543210fedcba98';
const TOKEN = 'hf_secretOfTheTest';
const WEIGHTS = randomBytes(300_000);
const FILES = {
  'README.md': Buffer.from('# a model'),
  'config.json': Buffer.from('{"type":"act"}'),
  'model.safetensors': WEIGHTS,
  'optimizer.pt': randomBytes(1000),
  'policy_preprocessor.json': Buffer.from('{"name":"before","steps":[]}'),
  'policy_preprocessor_step_3_normalizer_processor.safetensors': randomBytes(500),
  'tokenizer/tokenizer.json': Buffer.from('{}'),
};
const REFERENCE: HubReference = { id: 'user/model', revision: 'main' };
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

const root = mkdtempSync(join(tmpdir(), 'myelin-hub-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let hub: LocalHub;
let settings: HubSettings;
beforeEach(async () => {
  hub = await LocalHub.start();
  hub.repositories.set('user/model', {
    commit: COMMIT,
    revisions: { 'v1.0': OLDER, 'refs/pr/1': OLDER },
    files: FILES,
    large: ['model.safetensors'],
  });
  settings = { endpoint: hub.endpoint, cache: mkdtempSync(join(root, 'cache-')), offline: false };
});
afterEach(() => hub.close());

const open = (options: HubOptions = {}, reference = REFERENCE) =>
  hubSnapshot(reference, checkpointFiles, { settings, ...options });
const failure = (attempt: Promise<unknown>): Promise<{ code: string; message: string; hint: string }> =>
  attempt.then(
    () => expect.fail('it succeeded'),
    (error: unknown) => error as never,
  );
/** Only the weights, with waits that a test can afford. */
const fetchWeights = async (options: { attempts?: number; silenceMs?: number } = {}) => {
  const client = new HubClient(settings);
  const file = await client.describe(REFERENCE, COMMIT, 'model.safetensors');
  const target = join(settings.cache, 'weights');
  await download(file, {
    target,
    partial: `${target}.incomplete`,
    send: (from) => client.send(REFERENCE, COMMIT, file.name, from),
    waitMs: 1,
    ...options,
  });
  return target;
};
const expectWeights = (path: string) => expect(readFileSync(path).equals(WEIGHTS)).toBe(true);
const sent = () => hub.asked.filter(({ method, path }) => method === 'GET' && path.includes('signature'));

describe('a checkpoint on the Hub', () => {
  it('is downloaded once, and only what is needed of it', async () => {
    const folder = await open();
    expect(readdirSync(folder).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'policy_preprocessor.json',
      'policy_preprocessor_step_3_normalizer_processor.safetensors',
      'tokenizer',
    ]);
    expectWeights(join(folder, 'model.safetensors'));
    expect(readFileSync(join(folder, 'tokenizer', 'tokenizer.json'), 'utf8')).toBe('{}');
    hub.asked.length = 0;
    expect(await open()).toBe(folder);
    expect(hub.asked.map(({ path }) => path)).toEqual(['/api/models/user/model/revision/main']);
  });

  it("is kept as Hugging Face's own tools keep it, and found where they put it", async () => {
    const folder = await open();
    const model = join(settings.cache, 'models--user--model');
    expect(folder).toBe(join(model, 'snapshots', COMMIT));
    expect(readFileSync(join(model, 'refs', 'main'), 'utf8')).toBe(COMMIT);
    const link = join(folder, 'model.safetensors');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readlinkSync(link)).toBe(join('..', '..', 'blobs', sha256(WEIGHTS)));
    expect(readlinkSync(join(folder, 'tokenizer', 'tokenizer.json'))).toMatch(
      /^\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/,
    );
    expect(readdirSync(join(model, 'blobs')).every((name) => /^[0-9a-f]{40,64}$/.test(name))).toBe(true);
  });

  it('may be named with a tag, a branch or a commit', async () => {
    const tagged = parseHubReference('user/model@v1.0')!;
    expect(await open({}, tagged)).toMatch(new RegExp(`${OLDER}$`));
    expect(await open({}, { id: 'user/model', revision: 'refs/pr/1' })).toMatch(new RegExp(`${OLDER}$`));
    expect(await open({}, { id: 'user/model', revision: COMMIT })).toMatch(new RegExp(`${COMMIT}$`));
    const error = await failure(open({}, { id: 'user/model', revision: 'v9' }));
    expect(error).toMatchObject({ code: 'HUB_REFUSED' });
    expect(error.message).toContain('no such revision');
  });

  it('tells its progress up to the last byte', async () => {
    const seen: DownloadProgress[] = [];
    await open({ onProgress: (progress) => seen.push(progress) });
    const last = seen.at(-1)!;
    expect([last.file, last.bytes]).toEqual(['model.safetensors', last.totalBytes]);
    expect(seen.every(({ bytes }, i) => bytes >= (seen[i - 1]?.bytes ?? 0))).toBe(true);
  });

  it('is taken from the cache when there is no connection, and says so', async () => {
    const folder = await open();
    await hub.close();
    const notes: string[] = [];
    expect(await open({ onNote: (text) => notes.push(text) })).toBe(folder);
    expect(notes[0]).toMatch(/^user\/model: taken from the cache \(127\.0\.0\.1:\d+: [A-Z_]+\)$/);
    hub = await LocalHub.start();
  });

  it('is taken from the cache when the network is not to be used', async () => {
    const offline = { settings: { ...settings, offline: true } };
    const error = await failure(open(offline));
    expect(error).toMatchObject({ code: 'HUB_UNREACHABLE' });
    expect(error.message).toContain('user/model is not in the cache');
    const folder = await open();
    hub.asked.length = 0;
    expect(await open(offline)).toBe(folder);
    expect(hub.asked).toEqual([]);
  });

  it('is not taken for whole when its download was interrupted', async () => {
    hub.troubles.push(...Array.from({ length: 4 }, () => ({ kind: 'no ranges' as const })));
    hub.troubles.push({ kind: 'changed' });
    expect(await failure(open())).toMatchObject({ code: 'DOWNLOAD_FAILED' });
    expect(await failure(open({ settings: { ...settings, offline: true } }))).toMatchObject({
      code: 'HUB_UNREACHABLE',
    });
  });

  it('cannot place files outside the cache', async () => {
    hub.repositories.set('user/model', {
      commit: COMMIT,
      files: { '../../../escaped.json': Buffer.from('x'), 'tokenizer/../../config.json': Buffer.from('x') },
    });
    const error = await failure(hubSnapshot(REFERENCE, (names) => names, { settings }));
    expect(error).toMatchObject({ code: 'HUB_REFUSED' });
    expect(readdirSync(settings.cache)).toEqual([]);
  });
});

describe('a tokenizer that a checkpoint takes from another model', () => {
  const step = { registry_name: 'tokenizer_processor', config: { tokenizer_name: 'words/model' } };
  const files = {
    'config.json': Buffer.from('{}'),
    'model.safetensors': Buffer.from('x'),
    'policy_preprocessor.json': Buffer.from(JSON.stringify({ name: 'before', steps: [step] })),
  };

  it('is fetched with it, and nothing else of that model', async () => {
    hub.repositories.set('user/talks', { commit: COMMIT, files });
    hub.repositories.set('words/model', {
      commit: OLDER,
      files: { 'tokenizer.json': Buffer.from('{}'), 'model.safetensors': Buffer.from('large') },
    });
    await localCheckpoint('user/talks', { settings });
    expect(readdirSync(join(settings.cache, 'models--words--model', 'snapshots', OLDER))).toEqual([
      'tokenizer.json',
    ]);
  });

  it('is told of when it may not be read', async () => {
    hub.repositories.set('user/talks', { commit: COMMIT, files });
    const notes: string[] = [];
    await localCheckpoint('user/talks', { settings, onNote: (text) => notes.push(text) });
    expect(notes).toEqual([expect.stringContaining('its tokenizer was not fetched: The Hub does not give')]);
  });
});

describe('a download', () => {
  it('goes on where a broken connection left off', async () => {
    hub.troubles.push({ kind: 'drop', afterBytes: 100_000 }, { kind: 'drop', afterBytes: 50_000 });
    expectWeights(await fetchWeights());
    const ranges = sent().map(({ range }) => Number(/\d+/.exec(range ?? '0')?.[0]));
    expect(ranges.length).toBe(3);
    expect(ranges[1]).toBeGreaterThan(0);
    expect(ranges[2]).toBeGreaterThan(ranges[1] as number);
  });

  it('goes on where an earlier process left off', async () => {
    writeFileSync(join(settings.cache, 'weights.incomplete'), WEIGHTS.subarray(0, 123_456));
    expectWeights(await fetchWeights());
    expect(sent().map(({ range }) => range)).toEqual(['bytes=123456-']);
  });

  it('starts over when the sender cannot go on', async () => {
    hub.troubles.push({ kind: 'drop', afterBytes: 100_000 }, { kind: 'no ranges' });
    expectWeights(await fetchWeights());
  });

  it('goes on after a sender that fell silent', async () => {
    hub.troubles.push({ kind: 'hang', afterBytes: 10 });
    expectWeights(await fetchWeights({ silenceMs: 500 }));
  });

  it('waits out a Hub that is busy', async () => {
    hub.troubles.push({ kind: 'status', status: 503 }, { kind: 'status', status: 429 });
    expectWeights(await fetchWeights());
  });

  it('is thrown away when its checksum is wrong, and good the next time', async () => {
    for (const file of ['weights', 'weights.incomplete']) {
      hub.troubles.push({ kind: 'changed' });
      const error = await failure(fetchWeights());
      expect(error).toMatchObject({ code: 'DOWNLOAD_FAILED' });
      expect(error.message).toContain(`not ${sha256(WEIGHTS)}`);
      expect(existsSync(join(settings.cache, file))).toBe(false);
    }
    expectWeights(await fetchWeights());
  });

  it('is thrown away when what an earlier process left was wrong', async () => {
    writeFileSync(join(settings.cache, 'weights.incomplete'), randomBytes(1000));
    expect(await failure(fetchWeights())).toMatchObject({ code: 'DOWNLOAD_FAILED' });
    expectWeights(await fetchWeights());
  });

  it('ends when the sender sends more than it announced', async () => {
    hub.troubles.push(...Array.from({ length: 3 }, () => ({ kind: 'longer' as const })));
    await expect(fetchWeights({ attempts: 3 })).rejects.toThrow('more than the 300000 bytes');
  });

  it('gives up after some attempts, and keeps what came', async () => {
    hub.troubles.push({ kind: 'drop', afterBytes: 100_000 });
    hub.troubles.push(...Array.from({ length: 5 }, () => ({ kind: 'status' as const, status: 503 })));
    const error = await failure(fetchWeights({ attempts: 3 }));
    expect(error).toMatchObject({ code: 'DOWNLOAD_FAILED' });
    expect(error.message).toMatch(/with \d+ of 300000 bytes here/);
    hub.troubles.length = 0;
    expectWeights(await fetchWeights());
  });

  it('by two processes at once ends well', async () => {
    const [one, two] = await Promise.all([fetchWeights(), fetchWeights()]);
    for (const path of [one, two]) expectWeights(path);
  });
});

describe('a token', () => {
  beforeEach(() => {
    hub.repositories.set('user/model', {
      commit: COMMIT,
      files: FILES,
      large: ['model.safetensors'],
      token: TOKEN,
    });
  });

  it('opens what is private, and goes to the Hub alone', async () => {
    await open({ settings: { ...settings, token: TOKEN } });
    const hubHost = new URL(hub.endpoint).host;
    expect(hub.asked.some(({ host }) => host !== hubHost)).toBe(true);
    for (const { host, authorization } of hub.asked)
      expect(authorization).toBe(host === hubHost ? `Bearer ${TOKEN}` : undefined);
  });

  it('is asked for when there is none, or another one is needed', async () => {
    const none = await failure(open());
    expect(none).toMatchObject({ code: 'HUB_REFUSED' });
    expect(none.message).toContain('does not exist, or is private');
    expect(none.hint).toContain('HF_TOKEN');
    const wrong = await failure(open({ settings: { ...settings, token: 'hf_wrongSecret' } }));
    expect(JSON.stringify([wrong, wrong.message, wrong.hint])).not.toContain('hf_wrongSecret');
  });

  it('does not help before the conditions of a gated model are accepted', async () => {
    hub.repositories.set('user/model', { commit: COMMIT, files: FILES, gated: true });
    const error = await failure(open({ settings: { ...settings, token: TOKEN } }));
    expect(error.message).toContain('conditions to be accepted');
    expect(error.message + error.hint).not.toContain(TOKEN);
  });

  it('is not shown when it cannot be used', async () => {
    const error = await failure(hubSettings({ HF_TOKEN: 'hf_with space', HF_HOME: root }));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(JSON.stringify(error) + error.message).not.toContain('hf_with');
  });
});

describe('settings', () => {
  it("come from the environment, as Hugging Face's own tools read it", async () => {
    const home = join(root, 'home');
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'token'), 'hf_fromFile\n');
    expect(await hubSettings({ HF_HOME: home })).toEqual({
      endpoint: 'https://huggingface.co',
      cache: join(home, 'hub'),
      offline: false,
      token: 'hf_fromFile',
    });
    expect(
      await hubSettings({
        HF_HOME: home,
        HF_HUB_CACHE: '/elsewhere',
        HF_TOKEN: 'hf_own',
        HF_ENDPOINT: 'https://mirror.example/',
        HF_HUB_OFFLINE: '1',
      }),
    ).toEqual({
      endpoint: 'https://mirror.example',
      cache: '/elsewhere',
      offline: true,
      token: 'hf_own',
    });
    await expect(hubSettings({ HF_ENDPOINT: 'ftp://x', HF_HOME: home })).rejects.toThrow('HF_ENDPOINT');
  });
});

describe('the name of a checkpoint', () => {
  it('is a path when that exists, a model on the Hub when it looks like one, and else what it was', async () => {
    expect(await localCheckpoint(root, { settings })).toBe(root);
    expect(await localCheckpoint('user/model', { settings })).toContain(COMMIT);
    for (const path of ['./user/model', '/user/model', 'model', 'a/b/c', '../a/b', 'user/model@', 'a/b--c'])
      expect(await localCheckpoint(path, { settings })).toBe(path);
    expect(await failure(localCheckpoint('user/other', { settings }))).toMatchObject({ code: 'HUB_REFUSED' });
  });
});
