import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RIGHTS, type Right } from '../protocol/right.ts';
import { AttemptLimiter, MOST_ATTEMPTS, WINDOW_MS } from './attempt-limiter.ts';
import { Authenticator, type Caller } from './authenticator.ts';
import { TokenStore } from './token-store.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-auth-'));
afterAll(() => rmSync(folder, { recursive: true }));
const tokens = new TokenStore(join(folder, 'tokens.json'), { unixS: () => 0 });
const given = new Map<Right, string>();
beforeAll(async () => {
  for (const right of RIGHTS) given.set(right, (await tokens.create(right, right)).token);
});

let nowMs = 0;
const authenticator = (local: Right | 'none' = 'none', allowedOrigins: string[] = []) =>
  new Authenticator({ tokens, limiter: new AttemptLimiter(() => nowMs), local, allowedOrigins });
const HOST = '127.0.0.1:8000';
const caller = (over: Partial<Caller> = {}, headers: Caller['headers'] = {}): Caller => ({
  address: '127.0.0.1',
  secure: false,
  ...over,
  headers: { host: HOST, ...headers },
});
const codeOf = (identify: () => unknown): string => {
  try {
    identify();
    return 'passes';
  } catch (thrown) {
    return (thrown as { code: string }).code;
  }
};

describe('who a connection is', () => {
  it('is told by a token in the header, in the handshake or in the subprotocol', () => {
    const token = given.get('deploy') ?? '';
    for (const shown of [
      caller({}, { authorization: `Bearer ${token}` }),
      caller({ token }),
      caller({}, { 'sec-websocket-protocol': `myelin, bearer.${token}` }),
    ])
      expect(authenticator().identify(shown)).toMatchObject({ name: 'deploy', right: 'deploy' });
  });

  it.each([
    ['straight from this machine', caller(), 'passes'],
    ['under localhost', caller({}, { host: 'localhost:8000' }), 'passes'],
    ['from its own page', caller({}, { origin: `http://${HOST}` }), 'passes'],
    ['from another machine', caller({ address: '192.168.1.5' }), 'TOKEN_MISSING'],
    ['under a rebound name', caller({}, { host: 'evil.example:8000' }), 'TOKEN_MISSING'],
    ['through a proxy', caller({}, { 'x-forwarded-for': '1.2.3.4' }), 'TOKEN_MISSING'],
    ['from another page', caller({}, { origin: 'http://evil.example' }), 'ORIGIN_REFUSED'],
    ['from another port of this machine', caller({}, { origin: 'http://localhost:3000' }), 'ORIGIN_REFUSED'],
    ['from a page without origin', caller({}, { origin: 'null' }), 'ORIGIN_REFUSED'],
    ['with a wrong token', caller({ token: 'x' }), 'TOKEN_REFUSED'],
    ['with an empty token', caller({ token: '' }), 'TOKEN_REFUSED'],
  ])('needs no token %s only where that is allowed', (_how, shown, expected) => {
    expect(codeOf(() => authenticator('operate').identify(shown))).toBe(expected);
    expect(codeOf(() => authenticator('none').identify(shown))).toBe(
      expected === 'passes' ? 'TOKEN_MISSING' : expected,
    );
  });

  it('lets listed pages in, even with a token only those', () => {
    const token = given.get('admin') ?? '';
    const shown = caller({ token }, { origin: 'https://robot.example' });
    expect(codeOf(() => authenticator('none', ['https://robot.example']).identify(shown))).toBe('passes');
    expect(codeOf(() => authenticator('none', ['https://robot.example:1']).identify(shown))).toBe(
      'ORIGIN_REFUSED',
    );
  });

  it('lets every right do what is below it and nothing above', () => {
    const auth = authenticator();
    for (const has of RIGHTS)
      for (const needs of RIGHTS) {
        const identity = auth.identify(caller({ token: given.get(has) }));
        const expected = RIGHTS.indexOf(has) >= RIGHTS.indexOf(needs) ? 'passes' : 'RIGHT_MISSING';
        expect([has, needs, codeOf(() => auth.check(identity, needs))]).toEqual([has, needs, expected]);
      }
  });

  it('stops looking at wrong tokens after a few, goes on taking right ones, and forgives in time', () => {
    const auth = authenticator();
    const wrong = caller({ token: 'wrong' });
    for (let i = 0; i < MOST_ATTEMPTS; i++) expect(codeOf(() => auth.identify(wrong))).toBe('TOKEN_REFUSED');
    expect(codeOf(() => auth.identify(wrong))).toBe('TOO_MANY_ATTEMPTS');
    expect(codeOf(() => auth.identify({ ...wrong, address: '10.0.0.9' }))).toBe('TOKEN_REFUSED');
    expect(codeOf(() => auth.identify(caller({ token: given.get('observe') })))).toBe('passes');
    nowMs += WINDOW_MS;
    expect(codeOf(() => auth.identify(wrong))).toBe('TOKEN_REFUSED');
  });

  it('ends with the token', async () => {
    const auth = authenticator();
    const { token } = await tokens.create('short', 'admin');
    const identity = auth.identify(caller({ token }));
    await tokens.revoke('short');
    expect(codeOf(() => auth.check(identity, 'observe'))).toBe('TOKEN_REFUSED');
  });
});
