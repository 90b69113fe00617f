import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bearerToken, checkListen, isLoopback, listenError, readTls, tokenFits } from './listen.ts';

const tls = { certificate: Buffer.from('c'), key: Buffer.from('k') };

describe('the listening rules', () => {
  it('know loopback addresses by all their names', () => {
    expect(['127.0.0.1', '127.9.8.7', 'localhost', 'LOCALHOST', '::1', '[::1]'].every(isLoopback)).toBe(true);
    expect(['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.com', '1270.0.0.1', ''].some(isLoopback)).toBe(
      false,
    );
  });

  it('let only this machine in without more ado', () => {
    expect(() => checkListen({})).not.toThrow();
    expect(() => checkListen({ host: '0.0.0.0' })).toThrow('no token is asked for and nothing is encrypted');
    expect(() => checkListen({ host: '0.0.0.0', token: 'long-enough' })).toThrow('nothing is encrypted');
    expect(() => checkListen({ host: '0.0.0.0', tls })).toThrow('no token is asked for');
    expect(() => checkListen({ host: '0.0.0.0', tls, token: 'long-enough' })).not.toThrow();
    expect(() => checkListen({ host: '0.0.0.0', insecure: true })).not.toThrow();
    expect(() => checkListen({ token: 'short' })).toThrow('8 characters');
  });

  it('compare tokens whole', () => {
    expect(tokenFits(undefined, undefined)).toBe(true);
    expect(tokenFits('secret-token', 'secret-token')).toBe(true);
    for (const wrong of [undefined, '', 'secret', 'secret-token ', 'undefined']) {
      expect(tokenFits(wrong, 'secret-token')).toBe(false);
    }
    expect(tokenFits(undefined, '')).toBe(false);
    expect([bearerToken('Bearer abc'), bearerToken('bearer abc '), bearerToken('Basic abc')]).toEqual([
      'abc',
      'abc',
      undefined,
    ]);
  });

  it('name what is wrong with an address', async () => {
    const first = createServer();
    await new Promise<void>((resolve) => first.listen(0, '127.0.0.1', resolve));
    const { port } = first.address() as { port: number };
    const second = createServer();
    const failure = await new Promise<Error>((resolve) => {
      second.on('error', resolve);
      second.listen(port, '127.0.0.1');
    });
    first.close();
    expect(listenError(failure, '127.0.0.1', port).message).toBe(`Port ${port} on 127.0.0.1 is in use`);
    const coded = (code: string) => listenError(Object.assign(new Error('no'), { code }), 'h', 80);
    expect(coded('EACCES').hint).toContain('1024');
    expect(coded('EADDRNOTAVAIL').message).toContain('no such address');
    expect(listenError(new Error('bad'), 'h', 80).message).toContain('bad');
    expect(listenError(new Error('... bind EADDRINUSE 0.0.0.0:80'), 'h', 80).code).toBe('PORT_IN_USE');
  });

  it('want certificate and key together', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'myelin-tls-'));
    try {
      const file = join(folder, 'cert.pem');
      writeFileSync(file, 'pem');
      expect(await readTls(undefined, undefined)).toBeUndefined();
      expect((await readTls(file, file))?.certificate.toString()).toBe('pem');
      await expect(readTls(file, undefined)).rejects.toThrow('--tls-key is missing');
      await expect(readTls(file, join(folder, 'none'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
