import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MyelinError } from '../../core/errors.ts';
import { parseNatsAddress } from './nats-address.ts';

describe('the address of a pool', () => {
  it('has the port of NATS where none is given', () => {
    expect(parseNatsAddress('nats://box')).toEqual({
      servers: ['box:4222'],
      tls: false,
      shown: 'nats://box:4222',
    });
    expect(parseNatsAddress('10.0.0.7:4333').servers).toEqual(['10.0.0.7:4333']);
    expect(parseNatsAddress('nats://[::1]:4333').servers).toEqual(['[::1]:4333']);
  });

  it('may name several servers, with TLS', () => {
    expect(parseNatsAddress('tls://a:1, tls://b:2')).toMatchObject({ servers: ['a:1', 'b:2'], tls: true });
  });

  it('knows a user with a password from a token', () => {
    expect(parseNatsAddress('nats://ann:s%40fe@box')).toMatchObject({ user: 'ann', password: 's@fe' });
    expect(parseNatsAddress('nats://t0ken@box')).toMatchObject({ token: 't0ken' });
  });

  it.each([
    '',
    'http://box',
    'nats://',
    'nats://box/path',
    'nats://a,tls://b',
    'nats://%@box',
    'nats://box:99999',
  ])('refuses %j', (text) => {
    expect(() => parseNatsAddress(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('never shows a password, neither in its form for people nor in a failure', () => {
    const secret = fc.stringMatching(/^[a-z0-9]{12,20}$/);
    const hosts = fc.constantFrom('box', 'box:1', 'box/x', '', 'a,tls://b', ' ');
    fc.assert(
      fc.property(
        secret,
        secret,
        hosts,
        fc.constantFrom('nats', 'tls', 'http'),
        (user, password, host, scheme) => {
          let shown = '';
          try {
            shown = parseNatsAddress(`${scheme}://${user}:${password}@${host}`).shown;
          } catch (thrown) {
            const { message, hint } = thrown as MyelinError;
            shown = message + hint;
          }
          expect(shown).not.toContain(password);
        },
      ),
    );
  });
});
