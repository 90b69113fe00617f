import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { unpack } from '../src/remote/archive/unpack.ts';
import { MyelinClient } from '../src/remote/client/index.ts';
import { loadConfig } from '../src/remote/config/load-config.ts';
import { systemPaths } from '../src/remote/config/paths.ts';
import type { Answer } from '../src/remote/protocol/answer.ts';
import type { WorkerStatus } from '../src/remote/protocol/ipc.ts';
import type { Notice } from '../src/remote/protocol/notice.ts';
import {
  ask,
  connected,
  type RunningGateway,
  startGatewayProcess,
  temporaryFolder,
} from './support/gateway-run.ts';
import { myelin, until } from './support/processes.ts';
import { zip } from './support/zip-writer.ts';

const HELLO = 'examples/projects/python-hello';
const clients: MyelinClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

async function clientOf({ url }: RunningGateway, token: string): Promise<MyelinClient> {
  const client = new MyelinClient({ url, token });
  clients.push(client);
  await client.ready(30_000);
  return client;
}

/** Runs `myelin project …` against this gateway and gives what it printed. */
const project =
  ({ url }: RunningGateway, token: string) =>
  async (...args: string[]): Promise<string> => {
    const started = myelin(['project', ...args], { MYELIN_URL: url, MYELIN_TOKEN: token });
    expect(await started.exited, started.output()).toBe(0);
    return started.output();
  };

const stand = { params: { object: 'sport_client', method: 'StandUp', args: {} } };
const isThere = (pid: number) => existsSync(`/proc/${pid}`);

/** Ends it as a person would, and looks whether anything stayed behind. */
async function endsCleanly({ gateway, storage, api, tokens }: RunningGateway): Promise<void> {
  const pids = pidsOf(await statusOf({ api, tokens }));
  gateway.child.kill('SIGINT');
  expect(await gateway.exited).toBe(0);
  await until('no process is left', () => !pids.some(isThere));
  const paths = systemPaths(loadConfig({ file: '/dev/null', flags: { storage } }));
  for (const socket of [paths.commandSocket, paths.callbackSocket])
    expect(existsSync(socket.slice('ipc://'.length))).toBe(false);
  expect(readdirSync(paths.uploads)).toEqual([]);
}

const statusOf = async ({ api, tokens }: Pick<RunningGateway, 'api' | 'tokens'>): Promise<WorkerStatus> => {
  for (;;) {
    const { body } = await api('/api/status', { token: tokens.observe });
    const { status } = (body.data as { worker: { status: WorkerStatus | null } }).worker;
    // The worker tells of itself every second.
    if (status?.instances.some(({ pid }) => pid !== undefined)) return status;
    await new Promise((done) => setTimeout(done, 50));
  }
};
const pidsOf = ({ pid, instances }: WorkerStatus): number[] => [
  pid,
  ...instances.flatMap((instance) => (instance.pid === undefined ? [] : [instance.pid])),
];

describe('gateway and worker together', () => {
  it('run the project that ships at the first call, with nothing uploaded and nothing started', async () => {
    const running = await startGatewayProcess([], { worker: 'its own' });
    const { socket, tokens, api } = running;
    const client = await connected(socket(tokens.operate));
    expect(await ask(client, 'process', stand)).toMatchObject({
      status: 'success',
      data: { status: 'success', posture: 'standing', before: 'down' },
    });
    const steps: unknown[] = [];
    const completed = new Promise((done) => client.once('task_completed', done));
    client.on('task_progress', (data) => steps.push(data));
    const long = { object: 'robot_controller', method: 'start_long_task', args: { steps: 3, period: 0.02 } };
    expect(await ask(client, 'process', { params: long })).toMatchObject({ data: { message: 'started' } });
    expect(await completed).toEqual({ steps: 3 });
    expect(steps).toEqual([1, 2, 3].map((step) => ({ step, steps: 3 })));
    expect((await api('/api/projects', { token: tokens.observe })).body.data).toMatchObject({
      projects: [{ project: 'default', active: true, versions: [{ language: 'python' }] }],
    });
    await endsCleanly(running);
  });

  it('take a project its whole way: push, call, events, change, diff, rollback, list, download, delete', async () => {
    const running = await startGatewayProcess([], { worker: 'its own' });
    const { tokens, api } = running;
    const cli = project(running, tokens.deploy);
    const pushed = async (folder: string) =>
      /^[\w-]+ ([0-9a-f]{12}) runs/m.exec(await cli('push', folder, '--project', 'hello'))?.[1] ?? '';
    const first = await pushed(HELLO);
    expect(first).not.toBe('');
    expect(JSON.parse(await cli('call', 'add', '[2, 3]'))).toBe(5);

    const client = await clientOf(running, tokens.deploy);
    const greeted = new Promise((done) => client.on('greeted', done));
    const logged = new Promise<Notice>((done) =>
      client.onNotice((notice) => notice.type === 'log' && notice.text === 'greeting Ada' && done(notice)),
    );
    const hello = () => client.call('hello', { name: 'Ada' }, { object: 'greeter' });
    expect(await hello()).toMatchObject({ message: 'Hello, Ada!', count: 1 });
    expect(await greeted).toEqual({ name: 'Ada', count: 1 });
    expect(await logged).toMatchObject({ project: 'hello', stream: 'stdout' });

    const changed = temporaryFolder();
    cpSync(HELLO, changed, { recursive: true });
    const main = readFileSync(join(HELLO, 'main.py'), 'utf8');
    writeFileSync(join(changed, 'main.py'), main.replace('Hello, ', 'Good morning, '));
    writeFileSync(join(changed, 'notes.txt'), 'new');
    const second = await pushed(changed);
    expect(await hello()).toMatchObject({ message: 'Good morning, Ada!', count: 1 });
    expect(await client.projects.diff('hello', first)).toEqual({
      added: ['notes.txt'],
      removed: [],
      changed: ['main.py'],
    });

    expect(await client.projects.rollback('hello')).toMatchObject({ project: 'hello', files: 2 });
    expect(await hello()).toMatchObject({ message: 'Hello, Ada!', count: 1 });
    await client.projects.rollback('hello', second);
    expect(await hello()).toMatchObject({ message: 'Good morning, Ada!', count: 1 });

    const [listed] = await client.projects.list();
    expect(listed).toMatchObject({
      project: 'hello',
      active: true,
      current: expect.stringMatching(`^${second}`),
    });
    expect(listed?.versions.map(({ id }) => id.slice(0, 12)).sort()).toEqual([first, second].sort());
    const one = await api(`/api/projects/hello?version=${first}`, { token: tokens.observe });
    expect(one.body.data).toMatchObject({
      project: 'hello',
      versions: [{ id: expect.stringMatching(`^${first}`) }],
    });
    expect(JSON.stringify(one.body)).not.toContain(running.storage);

    const archive = join(temporaryFolder(), 'hello.zip');
    await cli('download', 'hello', first, '-o', archive);
    const out = await unpack(archive, temporaryFolder());
    expect(readFileSync(join(out.folder, 'main.py'), 'utf8')).toBe(main);

    await expect(client.projects.remove('hello', second)).rejects.toMatchObject({ code: 'PROJECT_IN_USE' });
    await client.projects.remove('hello', first);
    await expect(client.projects.rollback('hello', first)).rejects.toMatchObject({ code: 'VERSION_UNKNOWN' });
    await cli('push', 'examples/projects/javascript-hello', '--project', 'other');
    expect(await client.call('add', [2, 3])).toBe(5);
    // Named, the first project still runs; removed, it does not.
    expect(await client.call('add', [1, 1], { project: 'hello' })).toBe(2);
    await client.projects.remove('hello');
    await expect(client.call('add', [1, 1], { project: 'hello' })).rejects.toMatchObject({
      code: 'PROJECT_UNKNOWN',
    });
    expect((await client.projects.list()).map((entry) => entry.project)).toEqual(['other']);
    expect(await client.call('add', [2, 3])).toBe(5);
    await endsCleanly(running);
  });

  it('take an archive in base64 under the name in its manifest, and go back to the project that ships', async () => {
    const running = await startGatewayProcess([], { worker: 'its own' });
    const { socket, tokens } = running;
    const client = await connected(socket(tokens.deploy));
    expect(await ask(client, 'process', stand)).toMatchObject({ status: 'success' });
    const progress: Notice[] = [];
    client.on('myelin', (notice: Notice) => notice.type === 'progress' && progress.push(notice));
    const archive = zip([
      { name: 'main.py', data: 'def ask():\n    return 42\n' },
      { name: 'myelin.yaml', data: 'name: answers\n' },
    ]);
    expect(await ask(client, 'update', { data: archive.toString('base64') })).toMatchObject({
      status: 'success',
      data: { project: 'answers', language: 'python', files: 2 },
    });
    expect(await ask(client, 'process', { params: { method: 'ask' } })).toMatchObject({ data: 42 });
    await until('the progress was told', () => progress.length > 0);
    expect(progress.every((notice) => !('project' in notice) || notice.project !== '')).toBe(true);
    const before: Answer = await ask(client, 'process', {
      params: { ...stand.params, project: 'default' },
    });
    expect(before).toMatchObject({ data: { posture: 'standing' } });
    await endsCleanly(running);
  });

  it('let nobody change projects without the right to, or while another operates', async () => {
    const running = await startGatewayProcess([], { worker: 'its own' });
    const { tokens, api, socket } = running;
    await project(running, tokens.deploy)('push', HELLO, '--project', 'hello');
    const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
    for (const [path, options] of [
      ['/api/projects/hello/rollback', post],
      ['/api/projects/hello', { method: 'DELETE' }],
    ] as const) {
      expect((await api(path, { ...options, token: tokens.operate })).body.code).toBe('RIGHT_MISSING');
      expect((await api(path, options)).body.code).toBe('TOKEN_MISSING');
    }
    const holder = await connected(socket(tokens.operate));
    expect(await ask(holder, 'start', {})).toMatchObject({ status: 'success' });
    for (const [path, options] of [
      ['/api/projects/hello/rollback', post],
      ['/api/projects/hello', { method: 'DELETE' }],
    ] as const) {
      const answer = await api(path, { ...options, token: tokens.deploy });
      expect([answer.status, answer.body.code]).toEqual([409, 'OPERATOR_BUSY']);
    }
    for (const path of [
      'hello',
      'hello/archive',
      'hello/diff?from=000000',
      'nothing',
      'hello?version=../..',
    ]) {
      const { status, body } = await api(`/api/projects/${path}`, { token: tokens.observe });
      const expected = { hello: 200, 'hello/archive': 200, 'hello?version=../..': 400 }[path] ?? 404;
      expect([path, status]).toEqual([path, expected]);
      if (expected !== 200) expect(body.hint).toBeTruthy();
    }
    await endsCleanly(running);
  });

  it('answer every call and leave nothing behind, whoever of project, worker and gateway is killed', async () => {
    const running = await startGatewayProcess([], { worker: 'its own' });
    const { socket, tokens, gateway, storage } = running;
    let client = await connected(socket(tokens.operate));
    const posture = async () => {
      for (;;) {
        const answer = await ask(client, 'process', stand);
        // A machine under load may need more than the time that commands wait for a worker.
        if (answer.code !== 'WORKER_UNAVAILABLE') return answer;
      }
    };
    const slow = () =>
      ask(client, 'process', { params: { object: 'robot_controller', method: 'medium_task', args: [10] } });
    const isBusy = async () => {
      let status = await statusOf(running);
      while (status.instances[0]?.state !== 'busy') status = await statusOf(running);
      return status;
    };
    expect(await posture()).toMatchObject({ status: 'success' });

    let open = slow();
    const first = await isBusy();
    process.kill(pidsOf(first)[1] ?? 0, 'SIGKILL');
    expect(await open).toMatchObject({ status: 'error', code: 'PROJECT_CRASHED', hint: expect.any(String) });
    expect(await posture()).toMatchObject({ data: { before: 'down' } });

    open = slow();
    const second = await isBusy();
    expect(second.pid).toBe(first.pid);
    process.kill(second.pid, 'SIGKILL');
    expect(await open).toMatchObject({ status: 'error', code: 'WORKER_UNAVAILABLE', retryable: true });
    await until('the project of the dead worker is gone', () => !pidsOf(second).some(isThere));
    expect(await posture()).toMatchObject({ data: { before: 'down' } });

    open = slow().catch(() => ({ status: 'error', message: 'the connection ended' }));
    const third = await isBusy();
    expect(third.pid).not.toBe(second.pid);
    gateway.child.kill('SIGKILL');
    await until('everything of the dead gateway is gone', () => !pidsOf(third).some(isThere));
    const paths = systemPaths(loadConfig({ file: '/dev/null', flags: { storage } }));
    for (const address of [paths.commandSocket, paths.callbackSocket])
      expect(existsSync(address.slice('ipc://'.length))).toBe(false);
    client.disconnect();

    const next = await startGatewayProcess([], { worker: 'its own', storage });
    client = await connected(next.socket(next.tokens.operate));
    expect(await posture()).toMatchObject({ data: { before: 'down' } });
    await endsCleanly(next);
  });
});
