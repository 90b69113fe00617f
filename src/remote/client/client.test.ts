import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RemoteSystem } from '../../../test/support/remote-system.ts';
import { zip } from '../../../test/support/zip-writer.ts';
import { type ConnectionState, MyelinClient } from './index.ts';

/** Calls are answered by real code. */
const MAIN = `
const asked = [];
class Arm {
  move({ x }) { return { x }; }
  add(a, b) { return [a, b]; }
}
export const arm = new Arm();
export function ping() { asked.push('ping'); return {}; }
export function now() { asked.push('now'); return asked; }
export function fail() { throw new TypeError('no'); }
export function forever() { return new Promise(() => undefined); }
export function push(...values) { for (const n of values) push_message('progress_report', { n }); }
`;

let system: RemoteSystem;
const clients: MyelinClient[] = [];
beforeEach(async () => {
  system = await RemoteSystem.open({ shipped: { 'main.mjs': MAIN } });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await system.close();
  rmSync(system.storage, { recursive: true, force: true });
});

function connect(options: { token?: string; url?: string; callTimeoutMs?: number } = {}): MyelinClient {
  const client = new MyelinClient({
    url: system.url,
    token: system.tokens.deploy,
    reconnectMs: 20,
    reconnectMaxMs: 50,
    ...options,
  });
  clients.push(client);
  return client;
}
const reached = (client: MyelinClient, wanted: ConnectionState) =>
  new Promise<void>((done) => {
    client.onConnection(({ state }) => state === wanted && done());
  });

describe('the client', () => {
  it('calls methods as if their objects were here', async () => {
    const client = connect();
    await client.ready();
    const { arm } = client.objects<{
      arm: { move(to: { x: number }): { x: number }; add(a: number, b: number): number[] };
    }>();
    expect(await arm.move({ x: 2 })).toEqual({ x: 2 });
    expect(await arm.add(1, 2)).toEqual([1, 2]);
    expect(await client.call('ping')).toEqual({});
    expect(client.welcome).toMatchObject({ right: 'deploy' });
  });

  it('fails a call as the robot says, with code, hint and data', async () => {
    const client = connect();
    await client.ready();
    await expect(client.call('fail')).rejects.toMatchObject({
      code: 'CALL_FAILED',
      message: 'TypeError: no',
      hint: expect.stringContaining('traceback'),
      data: { type: 'TypeError', traceback: expect.stringContaining('main.mjs') },
    });
  });

  it('hears what user code pushes', async () => {
    const client = connect();
    await client.ready();
    const heard: unknown[] = [];
    const all = new Promise<void>((done) => {
      const stop = client.on<{ n: number }>('progress_report', (data) => {
        heard.push(data.n);
        if (data.n === 2) stop();
        if (data.n === 2) setTimeout(done, 20);
      });
    });
    await client.call('push', [1, 2, 3]);
    await all;
    expect(heard).toEqual([1, 2]);
  });

  it('is refused with a wrong token, and says so instead of trying on', async () => {
    const client = connect({ token: 'wrong' });
    await expect(client.ready()).rejects.toMatchObject({
      code: 'TOKEN_REFUSED',
      hint: expect.any(String),
    });
    expect(client.connection.state).toBe('refused');
    await expect(client.call('f')).rejects.toMatchObject({ code: 'TOKEN_REFUSED' });
  });

  it('says that there is no gateway', async () => {
    const client = connect({ url: 'http://127.0.0.1:1' });
    await expect(client.ready(200)).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
  });

  it('connects again, syncs, and never sends late what was asked while it was away', async () => {
    const client = connect();
    await client.ready();
    let syncs = 0;
    client.onSync(() => {
      syncs += 1;
    });
    const { port, storage } = system;
    await client.call('ping');
    const open = client.call('forever');
    const lost = expect(open).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    const away = reached(client, 'reconnecting');
    await system.close();
    await away;
    await lost;
    await expect(client.call('ping')).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
    system = await RemoteSystem.open({ storage, port });
    await reached(client, 'connected');
    await new Promise<void>((done) => (syncs > 0 ? done() : void client.onSync(() => done())));
    expect(await client.call('now')).toEqual(['now']);
  });

  it('gives up a call that is not answered in time', async () => {
    const client = connect({ callTimeoutMs: 50 });
    await client.ready();
    await expect(client.call('forever')).rejects.toMatchObject({ code: 'ANSWER_TIMEOUT' });
  });

  it('refuses an answer that is none, from a server that is not ours', async () => {
    const other = new Server({ transports: ['websocket'] });
    other.on('connection', (socket) =>
      socket.on('process', (_payload, answer: (value: unknown) => void) => answer('hello')),
    );
    const http = createServer();
    other.attach(http);
    await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
    const { port } = http.address() as AddressInfo;
    const client = connect({ url: `http://127.0.0.1:${port}` });
    await client.ready();
    await expect(client.call('f')).rejects.toMatchObject({ code: 'MESSAGE_INVALID' });
    client.close();
    await other.close();
  });

  it('tells every state, the present one first, and none after it is closed', async () => {
    const client = connect();
    const states: string[] = [];
    client.onConnection(({ state }) => states.push(state));
    await client.ready();
    client.close();
    client.close();
    expect(states).toEqual(['connecting', 'connected', 'closed']);
    await expect(client.ready()).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
  });
});

describe('projects over HTTP', () => {
  const archive = (text: string) => new Uint8Array(zip([{ name: 'main.py', data: text }]));

  it('are uploaded with progress, listed, compared, gone back in, downloaded and removed', async () => {
    const { projects } = connect();
    const progress: number[] = [];
    const big = new Uint8Array(zip([{ name: 'main.py', data: 'x'.repeat(300_000) }]));
    const first = await projects.upload('hello', big, { onProgress: (sent) => progress.push(sent) });
    expect(first).toMatchObject({ project: 'hello', language: 'python', files: 1 });
    expect(progress.length).toBeGreaterThan(2);
    expect(progress.at(-1)).toBe(big.length);
    const second = await projects.upload('hello', new Blob([archive('two')]));
    expect(await projects.diff('hello', first.version)).toEqual({
      added: [],
      removed: [],
      changed: ['main.py'],
    });
    expect((await projects.rollback('hello')).version).toBe(first.version);
    const [hello] = await projects.list();
    expect(hello).toMatchObject({ project: 'hello', current: first.version, active: true });
    let bytes = 0;
    for await (const chunk of projects.download('hello', second.version)) bytes += chunk.length;
    expect(bytes).toBeGreaterThan(50);
    await projects.remove('hello', second.version);
    await expect(projects.rollback('hello', second.version)).rejects.toMatchObject({
      code: 'VERSION_UNKNOWN',
    });
  });

  it('are refused with the rule that was broken', async () => {
    const { projects } = connect();
    const hostile = new Uint8Array(zip([{ name: '../main.py' }]));
    await expect(projects.upload('hello', hostile)).rejects.toMatchObject({
      code: 'ARCHIVE_REFUSED',
      message: expect.stringContaining('"../main.py" leads out of the project folder'),
    });
    await expect(connect({ token: 'wrong' }).projects.list()).rejects.toMatchObject({
      code: 'TOKEN_REFUSED',
    });
    await expect(projects.download('none').next()).rejects.toMatchObject({ code: 'PROJECT_UNKNOWN' });
  });

  it('say that there is no gateway', async () => {
    const { projects } = connect({ url: 'http://127.0.0.1:1' });
    await expect(projects.list()).rejects.toMatchObject({ code: 'GATEWAY_UNREACHABLE', retryable: true });
  });
});
