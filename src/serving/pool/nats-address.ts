import { MyelinError } from '../../core/errors.ts';

/** Where a NATS server is and who we are to it. */
export interface NatsAddress {
  /** `host:port` of every server of the cluster. */
  readonly servers: readonly string[];
  readonly tls: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** The same for people: without password or token. */
  readonly shown: string;
}

const PORT = 4222;

/**
 * Reads `nats://[user:password@]host[:port]`, several of them separated by commas, `tls://` for encrypted ones, or
 * a bare `host[:port]`. A user without a password is a token.
 * @throws MyelinError INVALID_ARGUMENT, which never holds what was given: it may have a password in it
 */
export function parseNatsAddress(text: string): NatsAddress {
  const urls = text.split(',').map((part) => parseOne(part.trim()));
  const [first] = urls;
  if (first === undefined) throw invalid('empty');
  const tls = first.protocol === 'tls:';
  if (urls.some((url) => (url.protocol === 'tls:') !== tls)) throw invalid('nats:// and tls:// mixed');
  const { username, password } = urls.find((url) => url.username !== '') ?? first;
  const servers = urls.map((url) => `${url.hostname}:${url.port || PORT}`);
  return {
    servers,
    tls,
    ...credentials(decodeURIComponent(username), decodeURIComponent(password)),
    shown: `${tls ? 'tls' : 'nats'}://${servers.join(',')}`,
  };
}

function parseOne(text: string): URL {
  const full = /^[a-z]+:\/\//i.test(text) ? text : `nats://${text}`;
  if (!/^(nats|tls):\/\//i.test(full)) throw invalid('of another scheme');
  let url: URL;
  try {
    // Other schemes than http's have no host of their own in the URL standard's strict sense; it is checked below.
    url = new URL(full);
    decodeURIComponent(url.username + url.password);
  } catch {
    throw invalid('not an address');
  }
  if (url.hostname === '' || !/^\/?$/.test(url.pathname) || url.search !== '' || url.hash !== '')
    throw invalid('not an address');
  return url;
}

const credentials = (user: string, password: string) => {
  if (user === '') return {};
  return password === '' ? { token: user } : { user, password };
};

const invalid = (value: string) =>
  new MyelinError('INVALID_ARGUMENT', {
    name: 'the address of the pool',
    value,
    allowed: 'nats://[user:password@]host[:port], or tls://',
  });
