import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { MyelinError } from '../../core/errors.ts';

/** How a server may be reached; every protocol follows it. */
export interface ListenOptions {
  /** Address to listen at. Default 127.0.0.1. */
  readonly host?: string;
  /** What clients must show. Default: nothing. */
  readonly token?: string;
  readonly tls?: TlsFiles | undefined;
  /** Allows others on the network in without token or TLS. Default false. */
  readonly insecure?: boolean;
}

/** PEM. */
export interface TlsFiles {
  readonly certificate: Buffer;
  readonly key: Buffer;
}

export const LOOPBACK = '127.0.0.1';

/** 127.0.0.0/8, ::1 and localhost. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  if (isIP(name) === 4) return name.startsWith('127.');
  return name === 'localhost' || name === '::1' || name === '::ffff:127.0.0.1';
}

/**
 * Refuses to let the network in by accident: beyond loopback a server needs a token and TLS, or `insecure`.
 * @throws MyelinError LISTEN_UNSAFE, INVALID_ARGUMENT for a token that is none
 */
export function checkListen({ host = LOOPBACK, token, tls, insecure = false }: ListenOptions): void {
  if (token !== undefined && !/^[!-~]{8,}$/.test(token)) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'the token',
      value: 'too short or holds blanks',
      allowed: '8 characters or more, letters, digits and signs',
    });
  }
  if (insecure || isLoopback(host)) return;
  const faults = [
    ...(token === undefined ? [{ lacking: 'no token is asked for', missing: '--token' }] : []),
    ...(tls === undefined ? [{ lacking: 'nothing is encrypted', missing: '--tls-cert with --tls-key' }] : []),
  ];
  if (faults.length === 0) return;
  const all = (key: 'lacking' | 'missing') => faults.map((fault) => fault[key]).join(' and ');
  throw new MyelinError('LISTEN_UNSAFE', { host, lacking: all('lacking'), missing: all('missing') });
}

/**
 * Whether a client showed the right token, in a time that says nothing about it.
 * @param expected undefined where none is asked for
 */
export function tokenFits(given: string | undefined, expected: string | undefined): boolean {
  if (expected === undefined) return true;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given ?? ''), digest(expected)) && given !== undefined;
}

/** The token of an `Authorization: Bearer TOKEN` header. */
export const bearerToken = (header: string | undefined): string | undefined =>
  header === undefined ? undefined : /^Bearer\s+(\S+)\s*$/i.exec(header)?.[1];

/** @throws MyelinError FILE_NOT_FOUND, INVALID_ARGUMENT when only one file is named */
export async function readTls(
  certificateFile: string | undefined,
  keyFile: string | undefined,
): Promise<TlsFiles | undefined> {
  if (certificateFile === undefined && keyFile === undefined) return undefined;
  if (certificateFile === undefined || keyFile === undefined) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: certificateFile === undefined ? '--tls-cert' : '--tls-key',
      value: 'missing',
      allowed: 'given together with the other one',
    });
  }
  const read = (file: string) =>
    readFile(file).catch((cause: unknown) => {
      throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
    });
  const [certificate, key] = await Promise.all([read(certificateFile), read(keyFile)]);
  return { certificate, key };
}

interface Unusable {
  readonly reason: string;
  readonly advice: string;
}

const UNUSABLE: ReadonlyMap<string, Unusable> = new Map([
  ['EACCES', { reason: 'this user may not', advice: 'Choose a port of 1024 or more.' }],
  ['EADDRNOTAVAIL', { reason: 'this machine has no such address', advice: 'See: ip address' }],
  [
    'ENOTFOUND',
    { reason: 'there is no machine of that name', advice: 'Give an address, such as 127.0.0.1 or 0.0.0.0.' },
  ],
]);

/** What a failed `listen` means to a person. */
export function listenError(thrown: unknown, host: string, port: number): MyelinError {
  if (thrown instanceof MyelinError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const code = (thrown as { code?: unknown } | null)?.code;
  const name = /\bE[A-Z]{4,}\b/.exec(`${code} ${text}`)?.[0] ?? '';
  if (name === 'EADDRINUSE') return new MyelinError('PORT_IN_USE', { host, port }, { cause: thrown });
  const { reason, advice } = UNUSABLE.get(name) ?? {
    reason: text,
    advice: 'Choose another address or port.',
  };
  return new MyelinError('ADDRESS_UNUSABLE', { host, port, reason, advice }, { cause: thrown });
}
