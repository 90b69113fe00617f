/** Schemes of openpi servers, and of the WebSocket under each. */
export const SCHEMES: ReadonlyMap<string, string> = new Map([
  ['openpi:', 'ws:'],
  ['openpis:', 'wss:'],
]);

/** The same of pi0.5 servers. */
export const PI05_SCHEMES: ReadonlyMap<string, string> = new Map([
  ['pi05:', 'ws:'],
  ['pi05s:', 'wss:'],
]);

/** Before the address of a pool's NATS server. */
export const POOL_PREFIX = 'pool:';

export const POOL_SYNTAX =
  'pool:nats://HOST[:PORT][?pool=NAME&model=NAME&hedge=MS&jpeg=QUALITY&creds=FILE&ca=FILE]';
export const OPENPI_SYNTAX =
  'openpi://HOST:PORT[/PATH][?robot=aloha|droid|libero&rows=N&actions=N&steps=N&period=S&norm=FILE|none&mode=quantiles|z-score&state=N&camera=KEY[:NAME]&ca=FILE]';
export const PI05_SYNTAX =
  'pi05://HOST:PORT[/PATH][?rows=N&actions=N&steps=N&period=S&state=N&camera=KEY[:NAME]&images=nested|raw|jpeg|msgpack|msgpack-jpeg&ca=FILE]';
export const REMOTE_SYNTAX = `${OPENPI_SYNTAX}, ${PI05_SYNTAX}, or ${POOL_SYNTAX}`;

/** Whether the text names a policy on a server. */
export const isRemotePolicy = (text: string): boolean =>
  text.startsWith(POOL_PREFIX) || hasScheme(text, SCHEMES) || hasScheme(text, PI05_SCHEMES);

export const hasScheme = (text: string, schemes: ReadonlyMap<string, string>): boolean =>
  URL.canParse(text) && schemes.has(new URL(text).protocol);
