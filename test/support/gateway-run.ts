import { mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { get as secureGet } from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { io, type Socket } from 'socket.io-client';
import { afterEach } from 'vitest';
import { WebSocket } from 'ws';
import { unixS } from '../../src/platform/clock.ts';
import { TokenStore } from '../../src/remote/auth/token-store.ts';
import { loadConfig } from '../../src/remote/config/load-config.ts';
import { systemPaths } from '../../src/remote/config/paths.ts';
import type { Answer } from '../../src/remote/protocol/answer.ts';
import { RIGHTS, type Right } from '../../src/remote/protocol/right.ts';
import { myelin, type Started, start, stopAll, uniqueName } from './processes.ts';

const FAKE_WORKER = resolve(import.meta.dirname, 'fake-worker.mjs');

const folders: string[] = [];
const closing: (() => void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) close();
  // A gateway that ends writes into its storage.
  await stopAll();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export interface RunningGateway {
  readonly storage: string;
  readonly url: string;
  readonly port: number;
  readonly gateway: Started;
  /** Name of the arm's segment, which the test may make. */
  readonly segment: string;
  readonly tokens: Readonly<Record<Right, string>>;
  worker: Started | undefined;
  /** Starts the stand-in worker (again). */
  startWorker(): Promise<void>;
  api(path: string, options?: RequestInit & { token?: string }): Promise<{ status: number; body: Answer }>;
  socket(token?: string, more?: object): Socket;
  webSocket(token?: string, headers?: Record<string, string>): WsClient;
}

export const temporaryFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'myelin-gateway-'));
  folders.push(folder);
  return folder;
};

/** `myelin gateway` on any port with a stand-in worker, its own or none, and a token of each right; `storage` of one before. */
export async function startGatewayProcess(
  flags: readonly string[] = [],
  {
    worker = true,
    storage: again,
    environment = {},
  }: { worker?: boolean | 'its own'; storage?: string; environment?: NodeJS.ProcessEnv } = {},
): Promise<RunningGateway> {
  const storage = again ?? temporaryFolder();
  const segment = uniqueName('gateway');
  const store = new TokenStore(join(storage, 'tokens.json'), { unixS });
  const tokens: Partial<Record<Right, string>> = {};
  for (const right of RIGHTS) {
    const name = again === undefined ? right : uniqueName(right);
    tokens[right] = (await store.create(name, right)).token;
  }
  const base = ['--storage', storage, '--port', '0', '--segment', segment, '--world', segment];
  if (worker !== 'its own') base.push('--no-worker');
  const gateway = myelin(['gateway', ...base, ...flags], environment);
  const said = await gateway.says(/Socket\.IO Server: \S+[\s\S]*Press Ctrl\+C/, 60_000);
  const url = /Socket\.IO Server: (\S+)/.exec(said)?.[1] ?? '';
  const running: RunningGateway = {
    storage,
    url,
    port: Number(new URL(url).port),
    gateway,
    segment,
    tokens: tokens as Record<Right, string>,
    worker: undefined,
    startWorker: async () => {
      const paths = systemPaths(loadConfig({ file: '/dev/null', flags: { storage } }));
      closing.push(() => {
        // It is killed more often than not, and then leaves its sockets.
        for (const socket of [paths.commandSocket, paths.callbackSocket])
          rmSync(socket.slice('ipc://'.length), { force: true });
      });
      running.worker = start([process.execPath, FAKE_WORKER, paths.commandSocket, paths.callbackSocket]);
      await running.worker.says(/fake worker ready/, 60_000);
      await isReady(url);
    },
    api: async (path, { token, headers, ...options } = {}) => {
      const answer = await fetch(`${url}${path}`, {
        ...options,
        headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
      });
      const text = await answer.text();
      return { status: answer.status, body: asAnswer(text) };
    },
    socket: (token, more = {}) => {
      const socket = io(url, {
        forceNew: true,
        reconnection: false,
        ...(token === undefined ? {} : { auth: { token } }),
        ...more,
      });
      closing.push(() => socket.disconnect());
      return socket;
    },
    webSocket: (token, headers = {}) => {
      const client = new WsClient(`${url.replace('http', 'ws')}/ws`, {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      });
      closing.push(() => client.socket.terminate());
      return client;
    },
  };
  if (worker === true) await running.startWorker();
  if (worker === 'its own') await isReady(url);
  return running;
}

/** Resolves when the worker answers; the test's own time limit ends this. */
async function isReady(url: string): Promise<void> {
  while ((await readiness(`${url}/readyz`)) !== 200) await new Promise((done) => setTimeout(done, 20));
}

/** Whatever its certificate: that clients check theirs is for tests to say. */
const readiness = (url: string): Promise<number | undefined> =>
  new Promise((done, fail) => {
    const heard = (answer: IncomingMessage) => {
      answer.resume().once('end', () => done(answer.statusCode));
    };
    const asked = url.startsWith('https:')
      ? secureGet(url, { rejectUnauthorized: false }, heard)
      : get(url, heard);
    asked.once('error', fail);
  });

const asAnswer = (text: string): Answer => {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return { status: 'success', message: text };
  }
};

/** Resolves once connected; rejects with what the server says, its `data` included. */
export const connected = (socket: Socket): Promise<Socket> =>
  new Promise((done, fail) => {
    socket.once('connect', () => done(socket));
    socket.once('connect_error', fail);
  });

export const ask = async (socket: Socket, event: string, ...args: unknown[]): Promise<Answer> =>
  (await socket.timeout(60_000).emitWithAck(event, ...args)) as Answer;

export const call = (method: string, args: unknown = {}) => ({ params: { object: 'robot', method, args } });

/** A plain WebSocket client that keeps what it hears. */
export class WsClient {
  readonly socket: WebSocket;
  readonly heard: Answer[] = [];
  /** Resolves with 101 when it opened, with the status of the refusal, or 0. */
  readonly opened: Promise<number>;
  readonly closed: Promise<number>;
  readonly #waiting = new Set<() => void>();

  constructor(url: string, headers: Record<string, string>) {
    this.socket = new WebSocket(url, { headers });
    this.opened = new Promise((done) => {
      this.socket.once('open', () => done(101));
      this.socket.once('unexpected-response', (_request, response) => done(response.statusCode ?? 0));
      this.socket.once('error', () => done(0));
    });
    this.closed = new Promise((done) => this.socket.once('close', done));
    this.socket.on('message', (data) => {
      this.heard.push(JSON.parse(String(data)) as Answer);
      for (const check of [...this.#waiting]) check();
    });
  }

  send(message: unknown): void {
    this.socket.send(
      typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message),
    );
  }

  /** Resolves with the first message for which this holds. */
  hears(holds: (answer: Answer) => boolean, timeoutMs = 30_000): Promise<Answer> {
    return new Promise((done, fail) => {
      const timer = setTimeout(
        () => fail(new Error(`not heard; what was: ${JSON.stringify(this.heard).slice(0, 2000)}`)),
        timeoutMs,
      );
      const check = () => {
        const found = this.heard.find(holds);
        if (found === undefined) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        done(found);
      };
      this.#waiting.add(check);
      check();
    });
  }

  async ask(message: Record<string, unknown>): Promise<Answer> {
    const id = `ask-${Math.random()}`;
    this.send({ ...message, id });
    return await this.hears((answer) => answer.id === id);
  }
}
