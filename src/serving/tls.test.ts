import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Observation } from '../core/observation.ts';
import type { Policy } from '../policies/policy.ts';
import { Engine } from './engine/engine.ts';
import { observationOf } from './engine/testing.ts';
import { LeRobotPolicy } from './lerobot/client.ts';
import { startLeRobotServer } from './lerobot/server.ts';
import { openOpenpiPolicy } from './openpi/open-openpi-policy.ts';
import { startOpenpiServer } from './openpi/openpi-server.ts';
import { openPi05Policy } from './pi05/pi05-policy.ts';
import { startPi05Server } from './pi05/pi05-server.ts';
import { healthFault } from './pool/upstream/health.ts';
import { Upstream } from './pool/upstream/upstream.ts';
import { noOpenssl, type TestCertificate, testCertificate } from './test-certificate.ts';
import { EchoPolicy } from './testing.ts';

const TOKEN = 'a-long-enough-token';
const SEEN: Observation = {
  ...observationOf(1, [4, 5]),
  cameras: new Map([
    [
      'base_0_rgb',
      { name: 'base_0_rgb', width: 2, height: 1, rgb: new Uint8Array(6), capturedNs: 1, sequence: 1 },
    ],
  ]),
};

interface Keys {
  readonly token?: string;
  readonly ca?: Buffer;
}

/** Each protocol's server, and a client of it at hand of the address and what it shows. */
const PROTOCOLS: readonly {
  readonly name: string;
  readonly start: (
    engine: Engine,
    options: { tls?: TestCertificate; token?: string },
  ) => Promise<{ port: number; close(): Promise<void> }>;
  readonly open: (port: number, keys: Keys, encrypted: boolean) => Promise<Policy>;
}[] = [
  {
    name: 'LeRobot (gRPC)',
    start: (engine, options) => startLeRobotServer(engine, { port: 0, ...options }),
    open: async (port, { token, ca }, encrypted) =>
      new LeRobotPolicy({
        address: `localhost:${port}`,
        policyType: 'act',
        pretrainedNameOrPath: 'echo',
        actionsPerChunk: 3,
        stateNames: ['a', 'b'],
        cameras: [],
        heartbeatMs: 0,
        token,
        tls: encrypted ? (ca ?? true) : undefined,
      }),
  },
  {
    name: 'openpi (WebSocket)',
    start: (engine, options) => startOpenpiServer(engine, { port: 0, ...options }),
    open: (port, { token: apiKey, ca }, encrypted) =>
      openOpenpiPolicy({ url: `${encrypted ? 'wss' : 'ws'}://localhost:${port}`, apiKey, ca }),
  },
  {
    name: 'pi0.5 (WebSocket)',
    start: (engine, options) => startPi05Server(engine, { port: 0, ...options }),
    open: (port, { token, ca }, encrypted) =>
      openPi05Policy({ url: `${encrypted ? 'wss' : 'ws'}://localhost:${port}`, token, ca, retries: 0 }),
  },
];

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(
  { start }: (typeof PROTOCOLS)[number],
  options: { tls?: TestCertificate; token?: string },
): Promise<number> {
  const engine = new Engine({ policies: new Map([['echo', new EchoPolicy()]]) });
  const server = await start(engine, options);
  closing.push(
    () => engine.close(),
    () => server.close(),
  );
  return server.port;
}

/** The first action, or the code of what went wrong. */
async function ask(open: Promise<Policy>): Promise<number | string> {
  try {
    const policy = await open;
    closing.push(() => policy.close());
    return (await policy.infer(SEEN)).actions[0] ?? 'nothing';
  } catch (thrown) {
    const { code, message } = thrown as { code?: string; message: string };
    return `${code}: ${message}`;
  }
}

describe.skipIf(noOpenssl !== undefined)(`over TLS${noOpenssl ? ` (${noOpenssl})` : ''}`, () => {
  let tls: TestCertificate;
  let other: TestCertificate;
  beforeAll(() => {
    tls = testCertificate();
    other = testCertificate();
  });
  afterAll(() => {
    tls.remove();
    other.remove();
  });

  it.each(PROTOCOLS)(
    '$name serves who trusts its certificate and shows the token, and nobody else',
    async (protocol) => {
      const port = await serve(protocol, { tls, token: TOKEN });
      const open = (keys: Keys, encrypted = true) => ask(protocol.open(port, keys, encrypted));
      expect(await open({ ca: tls.certificate, token: TOKEN })).toBe(4);
      for (const keys of [{ ca: tls.certificate }, { ca: tls.certificate, token: 'another-long-token' }])
        expect(await open(keys)).toMatch(/SERVER_REFUSED|401|token/i);
      for (const keys of [{ ca: other.certificate, token: TOKEN }, { token: TOKEN }])
        expect(await open(keys)).toMatch(/^SERVER_UNREACHABLE/);
      expect(await open({ token: TOKEN }, false)).toMatch(/^SERVER_UNREACHABLE/);
    },
  );

  it('an upstream server is reached and looked after', async () => {
    const [, openpi] = PROTOCOLS;
    if (openpi === undefined) throw new Error('no openpi');
    const port = await serve(openpi, { tls, token: TOKEN });
    const url = `wss://localhost:${port}`;
    expect(await healthFault(url, 5000, tls.certificate)).toBeUndefined();
    expect(await healthFault(url, 5000, other.certificate)).toMatch(/self.signed|certificate/i);
    const server = (ca: Buffer) => {
      const settings = { connections: 1, healthTimeoutMs: 10_000, onEvent: () => undefined };
      const upstream = new Upstream({ url, apiKey: TOKEN, ca }, settings);
      closing.push(() => upstream.close());
      return upstream;
    };
    const [trusted, distrusted] = [server(tls.certificate), server(other.certificate)];
    for (const upstream of [trusted, distrusted]) for (let i = 0; i < 3; i++) await upstream.checkHealth();
    expect([trusted.well, distrusted.well]).toEqual([true, false]);
    expect((await trusted.infer(SEEN, {})).actions[0]).toBe(4);
  });
});

describe('without TLS, on this machine', () => {
  it.each(PROTOCOLS)('$name asks for the token', async (protocol) => {
    const port = await serve(protocol, { token: TOKEN });
    const open = (keys: Keys) => ask(protocol.open(port, keys, false));
    expect(await open({ token: TOKEN })).toBe(4);
    for (const keys of [{}, { token: 'another-long-token' }, { token: `${TOKEN}x` }])
      expect(await open(keys)).toMatch(/SERVER_REFUSED|401|token/i);
  });
});
