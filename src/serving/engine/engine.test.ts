import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { allowedCheckpoint } from './checkpoint-names.ts';
import { Engine, type EngineOptions } from './engine.ts';
import { createNoopPolicy } from './noop-policy.ts';
import { HandPolicy, observationOf, settle } from './testing.ts';

let root = '';
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'myelin-engine-')));
  for (const name of ['models/one', 'models/two', 'models/three', 'secret']) {
    mkdirSync(join(root, name), { recursive: true });
  }
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function setUp(options: Partial<EngineOptions> = {}) {
  const opened: { path: string; policy: HandPolicy }[] = [];
  const engine = new Engine({
    allow: [join(root, 'models')],
    opener: async (path) => {
      const policy = new HandPolicy(path);
      opened.push({ path, policy });
      return policy;
    },
    ...options,
  });
  return { engine, opened };
}

describe('the engine', () => {
  it('loads a checkpoint once for all who ask, also at the same time', async () => {
    const { engine, opened } = setUp();
    const name = join(root, 'models/one');
    const [a, b] = await Promise.all([engine.open(name), engine.open(`${name}/`)]);
    expect(await engine.open(name)).toBe(a);
    expect(b).toBe(a);
    expect(opened.map(({ path }) => path)).toEqual([name]);
  });

  it('opens its own checkpoint for clients that name none, and those below the allowed paths', async () => {
    const { engine } = setUp({ checkpoint: join(root, 'secret') });
    expect((await engine.open()).spec.name).toBe(join(root, 'secret'));
    expect((await engine.open(join(root, 'models/two'))).spec.name).toBe(join(root, 'models/two'));
  });

  it('refuses every other name, and says what it serves', async () => {
    const { engine, opened } = setUp({ policies: new Map([['noop', createNoopPolicy()]]) });
    symlinkSync(join(root, 'secret'), join(root, 'models/link'));
    const names = [
      join(root, 'secret'),
      join(root, 'models/../secret'),
      join(root, 'models/link'),
      `${join(root, 'models')}-other`,
      join(root, 'models/none'),
      'lerobot/act',
      '/etc/passwd',
      '',
      'a\0b',
      '__proto__',
    ];
    for (const name of names)
      await expect(engine.open(name)).rejects.toMatchObject({ code: 'POLICY_NOT_ALLOWED' });
    await expect(engine.open('x')).rejects.toThrow('does not serve "x"');
    await expect(engine.open('x')).rejects.toMatchObject({ hint: expect.stringContaining('noop') });
    expect(opened).toEqual([]);
  });

  it('gives every client its own policy, whatever it names, when names are ignored', async () => {
    const { engine } = setUp({ policies: new Map([['noop', createNoopPolicy()]]), ignoreNames: true });
    expect((await engine.open('/etc/passwd')).spec.name).toBe('noop');
  });

  it('keeps few checkpoints loaded: the one unused for longest goes, one in use never', async () => {
    const { engine, opened } = setUp({ maxLoaded: 2 });
    const path = (name: string) => join(root, 'models', name);
    const one = await engine.open(path('one'));
    const session = engine.session(one, 'client');
    await engine.open(path('two'));
    await engine.open(path('three'));
    await settle();
    expect(opened.map(({ policy }) => policy.closed)).toEqual([false, true, false]);
    session.close();
    await engine.open(path('two'));
    await settle();
    expect(opened.map(({ policy }) => policy.closed)).toEqual([true, true, false, false]);
  });

  it('tries again after a checkpoint could not be opened', async () => {
    let attempts = 0;
    const { engine } = setUp({
      opener: async (path) => {
        attempts += 1;
        if (attempts === 1) throw new Error('disk asleep');
        return new HandPolicy(path);
      },
    });
    const name = join(root, 'models/one');
    await expect(engine.open(name)).rejects.toThrow('disk asleep');
    await engine.open(name);
    expect(attempts).toBe(2);
  });

  it('closes only when the model has finished', async () => {
    const { engine, opened } = setUp();
    const session = engine.session(await engine.open(join(root, 'models/one')), 'client');
    const answer = session.infer(observationOf(1)).catch((error: { code: string }) => error.code);
    await settle();
    const closed = engine.close();
    expect(await answer).toBe('SESSION_CLOSED');
    expect(opened[0]!.policy.closed).toBe(false);
    opened[0]!.policy.asked[0]!.answer();
    await closed;
    expect(opened[0]!.policy.closed).toBe(true);
    await expect(engine.open(join(root, 'models/one'))).rejects.toMatchObject({ code: 'SESSION_CLOSED' });
  });
});

describe('a Hub id', () => {
  it('stands for its newest snapshot on this machine when it is allowed, and is never downloaded', () => {
    const cache = join(root, 'hub');
    const folder = join(cache, 'models--lerobot--act_pick');
    mkdirSync(join(folder, 'snapshots/abc123'), { recursive: true });
    mkdirSync(join(folder, 'refs'));
    writeFileSync(join(folder, 'refs/main'), 'abc123\n');
    const find = (name: string, allow: readonly string[]) => allowedCheckpoint(name, allow, cache);
    expect(find('lerobot/act_pick', ['lerobot/act_pick'])).toBe(join(folder, 'snapshots/abc123'));
    expect(find('lerobot/act_pick', ['lerobot/other'])).toBeUndefined();
    expect(find('lerobot/absent', ['lerobot/absent'])).toBeUndefined();
    writeFileSync(join(folder, 'refs/main'), '../../../../secret');
    expect(find('lerobot/act_pick', ['lerobot/act_pick'])).toBeUndefined();
  });
});

describe('the policy that does nothing', () => {
  it('answers the state it was shown in every row, or zeros where there is none', async () => {
    const policy = createNoopPolicy({ chunkRows: 3, dof: 2 });
    const chunk = await policy.infer(observationOf(4, [1, 2, 3]));
    expect([chunk.rows, chunk.dof, chunk.timestep]).toEqual([3, 3, 4]);
    expect([...chunk.actions]).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3]);
    expect([...(await policy.infer(observationOf(4, []))).actions]).toEqual([0, 0, 0, 0, 0, 0]);
  });
});
