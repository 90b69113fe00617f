import { isIPv6 } from 'node:net';
import { InvalidArgumentError } from 'commander';
import { parseNatsAddress } from '../../serving/pool/nats-address.ts';
import { POOL_PREFIX } from '../remote-policy-address.ts';

/** A policy server as a person names it. */
export interface ServerAddress {
  readonly protocol: 'lerobot' | 'openpi' | 'pi05' | 'nats';
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  /** As it was given, without a password. */
  readonly text: string;
  /** Path of a WebSocket. */
  readonly path: string;
}

const SCHEMES: Readonly<Record<string, Pick<ServerAddress, 'protocol' | 'tls'> & { port: number }>> = {
  'lerobot:': { protocol: 'lerobot', tls: false, port: 8080 },
  'lerobots:': { protocol: 'lerobot', tls: true, port: 8080 },
  'openpi:': { protocol: 'openpi', tls: false, port: 8001 },
  'openpis:': { protocol: 'openpi', tls: true, port: 8001 },
  'ws:': { protocol: 'openpi', tls: false, port: 80 },
  'wss:': { protocol: 'openpi', tls: true, port: 443 },
  'pi05:': { protocol: 'pi05', tls: false, port: 8765 },
  'pi05s:': { protocol: 'pi05', tls: true, port: 8765 },
};

export const SERVER_SYNTAX =
  'HOST:PORT (LeRobot), openpi://HOST:PORT[/PATH], pi05://HOST:PORT or pool:nats://HOST';

/** @throws InvalidArgumentError */
export function parseServer(text: string): ServerAddress {
  const pool = text.startsWith(POOL_PREFIX) ? text.slice(POOL_PREFIX.length) : text;
  if (pool !== text || /^(nats|tls):/.test(text)) return natsServer(pool.replace(/\?.*$/s, ''));
  const withScheme = /^[a-z0-9]+:\/\//.test(text) ? text : `lerobot://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  const scheme = SCHEMES[url?.protocol ?? ''];
  if (url === undefined || scheme === undefined || url.hostname === '' || url.username !== '')
    throw new InvalidArgumentError(`must be ${SERVER_SYNTAX}.`);
  const { protocol, tls } = scheme;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? scheme.port : Number(url.port);
  if (port === 0) throw new InvalidArgumentError(`must be ${SERVER_SYNTAX}.`);
  return { protocol, host, port, tls, text, path: url.pathname === '' ? '/' : url.pathname };
}

/** The first server of a pool's address. */
function natsServer(text: string): ServerAddress {
  try {
    const { servers, tls, shown } = parseNatsAddress(text);
    const [, host = '', port] = /^(.*):(\d+)$/.exec(servers[0] ?? '') ?? [];
    if (Number(port) === 0) throw new RangeError('no port');
    const plain = host.replace(/^\[(.*)\]$/, '$1');
    return { protocol: 'nats', host: plain, port: Number(port), tls, text: shown, path: '/' };
  } catch {
    // What was given may hold a password.
    throw new InvalidArgumentError(`must be ${SERVER_SYNTAX}.`);
  }
}

/** `host:port`, in brackets where a host has colons of its own. */
export const hostAndPort = ({ host, port }: Pick<ServerAddress, 'host' | 'port'>): string =>
  isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
