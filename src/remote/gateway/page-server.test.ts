import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { MyelinError } from '../../core/errors.ts';
import { decodePicture, type Picture } from './camera-packet.ts';
import { EventLog } from './event-log.ts';
import type { PageSource } from './live-feed.ts';
import { type PageServer, type PageServerOptions, startPageServer } from './page-server.ts';
import { sampleTelemetry } from './sample-telemetry.fixture.ts';
import {
  MAX_CLIENT_MESSAGE_BYTES,
  type PageRequest,
  type ServerMessage,
  serverMessageSchema,
} from './telemetry.ts';

/** An arm that remembers what it was asked, and a camera that always has a new picture. */
class RecordingSource implements PageSource {
  readonly segmentName = 'test';
  readonly asked: string[] = [];
  pictureWidth = 16;
  #sequence = 0;

  armInfo() {
    return undefined;
  }

  telemetry(malformed: number) {
    return { ...sampleTelemetry(), malformed };
  }

  pictures(): Picture[] {
    const width = this.pictureWidth;
    this.#sequence += 1;
    return [
      {
        name: 'wrist',
        width,
        height: width,
        sequence: this.#sequence,
        ageMs: 1,
        rgb: new Uint8Array(width ** 2 * 3),
      },
    ];
  }

  request(request: Exclude<PageRequest, 'quit'>) {
    this.asked.push(request);
    return { ok: true, text: `asked ${request}` };
  }
}

/** A client that keeps what it hears and can wait for it. */
class Listener {
  readonly messages: ServerMessage[] = [];
  readonly pictures: Picture[] = [];
  readonly closed: Promise<number>;
  readonly socket: WebSocket;
  readonly #waiting = new Set<() => void>();

  constructor(url: string, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(`${url.replace('http', 'ws')}/live`, { headers });
    this.socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary)
        this.pictures.push(...[decodePicture(Uint8Array.from(data).buffer)].filter((p) => p !== undefined));
      else this.messages.push(serverMessageSchema.parse(JSON.parse(String(data))));
      for (const check of this.#waiting) check();
    });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
  }

  /** Resolves when `condition` gives something. */
  async until<T>(condition: () => T | undefined | false): Promise<T> {
    return await new Promise((resolve) => {
      const check = () => {
        const found = condition();
        if (found === undefined || found === false) return;
        this.#waiting.delete(check);
        resolve(found);
      };
      this.#waiting.add(check);
      check();
    });
  }

  hears<T extends ServerMessage['type']>(type: T): Promise<Extract<ServerMessage, { type: T }>> {
    return this.until(() =>
      this.messages.find((message): message is Extract<ServerMessage, { type: T }> => message.type === type),
    );
  }
}

const servers: PageServer[] = [];
const listeners: Listener[] = [];

async function start(options: Partial<PageServerOptions> = {}) {
  const source = new RecordingSource();
  const events = new EventLog(() => 0);
  const server = await startPageServer({ source, events, port: 0, ...options });
  servers.push(server);
  const listen = (headers?: Record<string, string>) => {
    const listener = new Listener(server.url, headers);
    listeners.push(listener);
    return listener;
  };
  return { source, events, server, listen };
}

/** Status and body of a GET with headers that `fetch` would not send. */
const get = (port: number, path: string, headers: Record<string, string> = {}) =>
  new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }>(
    (resolve, reject) => {
      httpRequest({ host: '127.0.0.1', port, path, headers, agent: false }, (answer) => {
        let body = '';
        answer.setEncoding('utf8').on('data', (part: string) => (body += part));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
      })
        .on('error', reject)
        .end();
    },
  );

afterEach(async () => {
  for (const { socket } of listeners.splice(0)) socket.terminate();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

describe('the page server over HTTP', () => {
  it('answers health checks with the headers that keep strangers out', async () => {
    const { server } = await start();
    const { status, headers, body } = await get(server.port, '/healthz');
    expect([status, JSON.parse(body)]).toEqual([200, { ok: true, clients: 0, malformed: 0 }]);
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  it('serves the page and the models, and nothing outside their folders', async () => {
    const root = new URL('../../../', import.meta.url).pathname;
    const { server } = await start({ pageFolder: `${root}console`, modelsFolder: `${root}models` });
    expect((await get(server.port, '/')).body).toContain('<div id="app">');
    expect((await get(server.port, '/models/arx-x5/x5.urdf')).body).toContain('<robot');
    for (const path of [
      '/models/../package.json',
      '/models/%2e%2e/package.json',
      '/..%2fpackage.json',
      '/models/',
    ]) {
      expect((await get(server.port, path)).status, path).toBeGreaterThanOrEqual(400);
    }
  });

  it('says what to do when the page is not built', async () => {
    const { server } = await start({ pageFolder: '/nonexistent' });
    const { status, body } = await get(server.port, '/');
    expect([status, body]).toEqual([503, expect.stringContaining('vite build console')]);
  });

  it('refuses a name that is not loopback, as DNS rebinding brings', async () => {
    const { server } = await start();
    const { status, body } = await get(server.port, '/healthz', { host: `evil.example:${server.port}` });
    expect([status, body]).toEqual([403, expect.stringContaining('loopback')]);
  });

  it('never listens beyond loopback', async () => {
    await expect(start({ host: '0.0.0.0' })).rejects.toThrow(/loopback/);
  });

  it('says clearly that a port is in use, or takes the next when allowed', async () => {
    const { server } = await start();
    const again = start({ port: server.port });
    await expect(again).rejects.toBeInstanceOf(MyelinError);
    await expect(again).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      hint: expect.stringContaining('--port'),
    });
    const next = await start({ port: server.port, nextFreePort: true });
    expect(next.server.port).toBeGreaterThan(server.port);
  });

  it('can be closed twice, with clients connected', async () => {
    const { server, listen } = await start();
    const listener = listen();
    await listener.hears('hello');
    await Promise.all([server.close(), server.close()]);
    await listener.closed;
    await expect(get(server.port, '/healthz')).rejects.toThrow();
  });
});

describe('the page server over its WebSocket', () => {
  it('greets, sends what happened before, then telemetry and pictures without end', async () => {
    const { events, listen } = await start({ canQuit: true });
    events.add('infer', 'alarm', 'was killed');
    const listener = listen();
    expect(await listener.hears('hello')).toMatchObject({ wireVersion: 1, segment: 'test', canQuit: true });
    expect(await listener.hears('event')).toMatchObject({ source: 'infer', text: 'was killed' });
    expect((await listener.hears('telemetry')).arm?.state).toBe('RUNNING');
    const picture = await listener.until(() => listener.pictures[1]);
    expect([picture.name, picture.width]).toEqual(['wrist', 16]);
  });

  it('carries out requests at once and says what came of them', async () => {
    const told: string[] = [];
    const { source, listen } = await start({ onControl: (request) => told.push(request) });
    const listener = listen();
    await listener.hears('hello');
    for (const request of ['start', 'pause', 'reset', 'stop']) {
      listener.socket.send(JSON.stringify({ type: 'request', request, id: 3 }));
    }
    await listener.until(() => listener.messages.filter(({ type }) => type === 'reply').length === 4);
    expect(source.asked).toEqual(['start', 'pause', 'reset', 'stop']);
    expect(told).toEqual(['start', 'pause', 'reset', 'stop']);
    expect(await listener.hears('reply')).toMatchObject({
      id: 3,
      request: 'start',
      ok: true,
      text: 'asked start',
    });
  });

  it('ends everything only when somebody can', async () => {
    const alone = await start();
    const first = alone.listen();
    await first.hears('hello');
    first.socket.send('{"type":"request","request":"quit"}');
    expect(await first.hears('reply')).toMatchObject({ ok: false });

    const told: string[] = [];
    const led = await start({ canQuit: true, onControl: (request) => told.push(request) });
    const second = led.listen();
    await second.hears('hello');
    second.socket.send('{"type":"request","request":"quit"}');
    expect(await second.hears('reply')).toMatchObject({ ok: true });
    expect(told).toEqual(['quit']);
    expect(led.source.asked).toEqual([]);
  });

  it.each([
    ['another web page', { origin: 'http://evil.example' }],
    ['another page of this machine', { origin: 'http://localhost:3000' }],
    ['a page without an origin of its own', { origin: 'null' }],
    ['a rebound name', { host: 'evil.example', origin: 'http://evil.example' }],
  ])('does not open for %s', async (_who, headers) => {
    const { source, server, listen } = await start();
    const listener = listen(headers);
    await listener.closed;
    expect(listener.messages).toEqual([]);
    expect([server.clients, source.asked]).toEqual([0, []]);
  });

  it('opens for its own page', async () => {
    const { server, listen } = await start();
    expect((await listen({ origin: server.url }).hears('hello')).type).toBe('hello');
  });

  it('opens at its path only', async () => {
    const { server } = await start();
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/elsewhere`);
    const error = await new Promise<Error>((resolve) => socket.once('error', resolve));
    expect(error.message).toContain('404');
  });

  it('answers ten thousand malformed messages one by one, counts them, and goes on working', async () => {
    const { source, server, listen } = await start();
    const listener = listen();
    await listener.hears('hello');
    const rounds = 10_000;
    // A seeded generator (mulberry32): the same nonsense every time.
    let seed = 1;
    const random = () => {
      seed = (seed + 0x6d2b79f5) | 0;
      const mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
    const nonsense = [
      () => String.fromCharCode(...Array.from({ length: 40 }, () => Math.floor(random() * 0xd7ff))),
      () => JSON.stringify({ type: 'request', request: random() }),
      () => JSON.stringify({ type: ['request'], request: 'stop' }),
      () => '[['.repeat(200),
      () => '{"type":"request","request":"stop"'.slice(0, 1 + Math.floor(random() * 33)),
      () => `{"type":"request","request":"stop","id":${-random() - 0.1}}`,
      () => Buffer.from(Array.from({ length: 64 }, () => Math.floor(random() * 256))),
    ];
    for (let round = 0; round < rounds; round++)
      listener.socket.send(nonsense[round % nonsense.length]?.() ?? '');
    await listener.until(() => listener.messages.filter(({ type }) => type === 'error').length === rounds);
    expect(await listener.hears('error')).toMatchObject({ hint: expect.stringContaining('"request"') });
    expect([server.malformed, source.asked]).toEqual([rounds, []]);
    listener.socket.send('{"type":"request","request":"stop"}');
    expect(await listener.hears('reply')).toMatchObject({ request: 'stop', ok: true });
  });

  it('lets go of a client that sends too much at once, and of no other', async () => {
    const { server, source, listen } = await start();
    const [loud, calm] = [listen(), listen()];
    await Promise.all([loud.hears('hello'), calm.hears('hello')]);
    loud.socket.send('x'.repeat(MAX_CLIENT_MESSAGE_BYTES + 1));
    expect(await loud.closed).toBe(1009);
    calm.socket.send('{"type":"request","request":"stop"}');
    await calm.hears('reply');
    expect([server.malformed, source.asked]).toEqual([1, ['stop']]);
  });

  it('survives bytes that are no WebSocket at all', async () => {
    const { server } = await start();
    for (const bytes of [
      '\0\0\0',
      'GET /live HTTP/1.1\r\n\r\n',
      'GET /live HTTP/1.1\r\nUpgrade: websocket\r\n\r\n',
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connect(server.port, '127.0.0.1', () => socket.end(bytes));
        socket.on('close', () => resolve()).on('error', () => resolve());
        socket.resume();
      });
    }
    expect((await get(server.port, '/healthz')).status).toBe(200);
  });
});
