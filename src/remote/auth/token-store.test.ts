import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { TokenStore } from './token-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-tokens-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
const fresh = () => {
  const file = join(folder, `${++count}`, 'tokens.json');
  return { file, store: new TokenStore(file, { unixS: () => 1000 + count }) };
};

describe('the token store', () => {
  it('gives a token of 256 bits once, and keeps its hash alone, in a file of mode 0600', async () => {
    const { file, store } = fresh();
    const { token, info } = await store.create('lab laptop', 'deploy');
    expect(token).toMatch(/^myl_[\w-]{43}$/);
    expect(store.find(token)).toEqual(info);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const content = readFileSync(file, 'utf8');
    expect(content).not.toContain(token.slice(4));
    expect(content).toContain('"sha256"');
    expect(JSON.stringify(store.list())).not.toContain('sha256');
  });

  it('knows no other token, however close', async () => {
    const { store } = fresh();
    const { token } = await store.create('a', 'observe');
    const last = token.endsWith('A') ? 'B' : 'A';
    for (const wrong of ['', 'myl_', `${token.slice(0, -1)}${last}`, `${token} `, token.toUpperCase()])
      expect(store.find(wrong), wrong).toBeUndefined();
  });

  it('ends a token by id or name, at once for other processes too', async () => {
    const { file, store } = fresh();
    const a = await store.create('a', 'observe');
    const b = await store.create('b', 'admin');
    const other = new TokenStore(file, { unixS: () => 0 });
    expect(other.find(a.token)?.name).toBe('a');
    await store.revoke('a');
    await store.revoke(b.info.id);
    expect([other.find(a.token), other.find(b.token), other.holds(a.info.id), other.empty]).toEqual([
      undefined,
      undefined,
      false,
      true,
    ]);
    await expect(store.revoke('a')).rejects.toMatchObject({ code: 'TOKEN_UNKNOWN' });
  });

  it('loses nothing when two processes change it at the same time', async () => {
    const { file, store } = fresh();
    const other = new TokenStore(file, { unixS: () => 0 });
    const used = await store.create('used', 'observe');
    store.find(used.token);
    await Promise.all([
      ...Array.from({ length: 5 }, (_, i) => store.create(`a${i}`, 'observe')),
      ...Array.from({ length: 5 }, (_, i) => other.create(`b${i}`, 'observe')),
      store.flush(),
    ]);
    expect(new TokenStore(file, { unixS: () => 0 }).list()).toHaveLength(11);
    expect(other.list().find(({ name }) => name === 'used')?.lastUsedUnixS).toBeGreaterThan(0);
  });

  it('refuses names that are taken or not for showing', async () => {
    const { store } = fresh();
    await store.create('a', 'observe');
    for (const name of ['a', '', ' a', 'a\nb', '<b>', 'x'.repeat(65)])
      await expect(store.create(name, 'observe'), name).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('does not trust a file others may write, and closes one others may read', async () => {
    const { file, store } = fresh();
    await store.create('a', 'observe');
    chmodSync(file, 0o644);
    expect(new TokenStore(file, { unixS: () => 0 }).list()).toHaveLength(1);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    chmodSync(file, 0o622);
    expect(() => new TokenStore(file, { unixS: () => 0 })).toThrow(
      expect.objectContaining({ code: 'TOKENS_UNSAFE' }),
    );
  });

  it.each(['', '{', '[]', '{"version":2,"tokens":[]}', '{"version":1,"tokens":[{"id":1}]}'])(
    'says that a file is damaged: %s',
    async (text) => {
      const { file, store } = fresh();
      await store.create('a', 'observe');
      writeFileSync(file, text, { mode: 0o600 });
      expect(() => store.list()).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    },
  );
});
