import { describe, expect, it } from 'vitest';
import { isLoopbackHost, isOwnOrigin, refusal } from './loopback-guard.ts';

describe('the loopback guard', () => {
  it.each(['localhost', 'localhost:8000', '127.0.0.1:8000', '[::1]:8000', 'LOCALHOST:1'])(
    'lets %s in',
    (host) => {
      expect(isLoopbackHost(host)).toBe(true);
    },
  );

  it.each([
    undefined,
    '',
    'evil.example',
    'evil.example:8000',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.2',
    '0.0.0.0:8000',
    'user@localhost',
    'localhost:8000/evil.example',
    'localhost:99999',
    ' localhost',
  ])('keeps %j out, which is what a rebound name looks like', (host) => {
    expect(isLoopbackHost(host)).toBe(false);
  });

  it('takes the page itself and programs without an origin', () => {
    expect(isOwnOrigin('http://localhost:8000', 'localhost:8000')).toBe(true);
    expect(isOwnOrigin(undefined, 'localhost:8000')).toBe(true);
  });

  it.each([
    'http://evil.example',
    'null',
    'http://localhost:3000',
    'https://localhost:8000',
    'http://127.0.0.1:8000',
    '',
  ])('keeps the page %j from using it', (origin) => {
    expect(isOwnOrigin(origin, 'localhost:8000')).toBe(false);
  });

  it('says why', () => {
    expect(refusal({ host: 'evil.example' })).toContain('loopback');
    expect(refusal({ host: 'localhost:1', origin: 'http://evil.example' })).toContain('another web page');
    expect(refusal({ host: 'localhost:1', origin: 'http://localhost:1' })).toBeUndefined();
  });
});
