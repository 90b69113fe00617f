import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Dealer, Request, Subscriber } from 'zeromq';
import type { Published, Reply, WorkerStatus } from '../src/remote/protocol/ipc.ts';
import { CgroupParent } from '../src/remote/sandbox/cgroup.ts';
import { myelin, type Started, start, until } from './support/processes.ts';
import { temporaryFolder, writeProject } from './support/projects.ts';
import { zip } from './support/zip-writer.ts';

const python = spawnSync('python3', ['-c', '']).status === 0;
if (!python) console.log('skipped: the worker is tested with Python projects; there is no python3 here');

const MAIN = `
import os, subprocess, threading, time
push_message = None
class Robot:
    count = 0
    watching = False
    def next(self):
        self.count += 1
        return self.count
    def pid(self):
        return os.getpid()
    def slow(self, seconds):
        time.sleep(seconds)
        return "slept"
    def say(self):
        print("it was said", flush=True)
    def leave(self):
        os._exit(3)
    def hang(self):
        while True:
            pass
    def note(self, n):
        with open(os.path.join(os.environ["MYELIN_DATA"], "noted"), "a") as file:
            file.write("%d " % n)
        return n
    def watch(self):
        self.watching = True
        threading.Thread(target=self._watch, daemon=True).start()
    def _watch(self):
        while self.watching:
            push_message("seen", {"what": "ball"})
            time.sleep(0.02)
    def spawn(self):
        return subprocess.Popen(["sleep", "4242"]).pid
    def stop(self):
        self.watching = False
robot = Robot()
`;

type Message = Record<string, unknown>;
const process_ = (method: string, args: Message = {}, more: Message = {}): Message => ({
  command: 'process',
  params: { object: 'robot', method, args },
  ...more,
});

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function startWorker(flags: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  const root = temporaryFolder();
  writeProject({ 'projects/default/main.py': MAIN }, root);
  const sockets = [join(root, 'cmd.ipc'), join(root, 'callback.ipc')] as const;
  const command = [
    process.execPath,
    resolve('dist/cli/main.js'),
    ...['worker', '--storage', root],
    ...['--command-socket', `ipc://${sockets[0]}`, '--callback-socket', `ipc://${sockets[1]}`],
    ...flags,
  ];
  const worker = start(command, env);
  await worker.says(/Worker ready/, 60_000);
  const published: Published[] = [];
  const subscriber = new Subscriber({ linger: 0 });
  subscriber.connect(`ipc://${sockets[1]}`);
  subscriber.subscribe('');
  closers.push(() => subscriber.close());
  void (async () => {
    try {
      for await (const [message] of subscriber) published.push(JSON.parse(String(message)) as Published);
    } catch {
      // Closed at the end of the test.
    }
  })();
  await until('the worker is heard', () => published.some(({ type }) => type === 'status'));
  const connect = () => {
    const socket = new Dealer({ linger: 0 });
    socket.connect(`ipc://${sockets[0]}`);
    closers.push(() => socket.close());
    return socket;
  };
  const dealer = connect();
  let nextId = 0;
  const waiting = new Map<number, (reply: Reply) => void>();
  void (async () => {
    try {
      for await (const [message] of dealer) {
        const reply = JSON.parse(String(message)) as Reply;
        if (reply.final !== false) waiting.get(Number(reply.id))?.(reply);
      }
    } catch {
      // Closed at the end of the test.
    }
  })();
  let sending: Promise<unknown> = Promise.resolve();
  const ask = (message: Message): Promise<Reply> => {
    const id = ++nextId;
    sending = sending.then(() => dealer.send(JSON.stringify({ reply: 'result', ...message, id })));
    return new Promise((done) => waiting.set(id, done));
  };
  const status = async () => (await ask({ command: 'status' })).data as WorkerStatus;
  const update = (files: Readonly<Record<string, string>>) => {
    const archive = zip(Object.entries(files).map(([name, data]) => ({ name, data })));
    return ask({ command: 'update', data: { data: archive.toString('base64') } });
  };
  return { worker, root, sockets, command, published, ask, status, update };
}

/** Where `robot.note` writes, whatever the project. */
const noteOf = (root: string, project = 'default') => join(root, 'projects', 'data', project, 'noted');

const isGone = (pid: number): boolean => {
  try {
    return /^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
};

/** What a worker may leave behind: its socket files, its projects, their control groups. */
async function expectNothingLeft(worker: Started, sockets: readonly string[], pids: readonly number[]) {
  await until(
    'its processes and files are gone',
    () => pids.every(isGone) && !sockets.some((path) => existsSync(path)),
  );
  const groups = spawnSync('find', ['/sys/fs/cgroup', '-type', 'd', '-name', `myelin-${worker.pid}`], {
    encoding: 'utf8',
  });
  await until('its control groups are gone', () =>
    groups.stdout
      .trim()
      .split('\n')
      .every((path) => path === '' || !existsSync(path)),
  );
  expect(readdirSync('/dev/shm')).not.toContain(`.myelin-${worker.pid}`);
}

describe.skipIf(!python)('the worker', () => {
  it('acknowledges a plain REQ at once and publishes the result', async () => {
    const { sockets, published } = await startWorker();
    const request = new Request({ linger: 0 });
    closers.push(() => request.close());
    request.connect(`ipc://${sockets[0]}`);
    const ask = async (text: string) => {
      await request.send(text);
      const [answer] = await request.receive();
      return JSON.parse(String(answer)) as Reply;
    };
    expect(await ask(JSON.stringify(process_('next')))).toEqual({
      status: 'success',
      message: 'Accepted',
      data: {},
    });
    await until('the result is published', () => published.some(({ type }) => type === 'callback'));
    expect(published.find(({ type }) => type === 'callback')).toEqual({
      type: 'callback',
      data: { status: 'callback', message: 'robot.next done', data: 1 },
    });
    for (const [text, code] of [
      ['{', 'MESSAGE_INVALID'],
      ['"x"', 'REQUEST_INVALID'],
      ['{"command": "explode"}', 'REQUEST_INVALID'],
      ['{"command": "process"}', 'REQUEST_INVALID'],
      ['{"command": "update", "data": {"data": "no base64!"}}', 'REQUEST_INVALID'],
    ] as const) {
      expect(await ask(text), text).toMatchObject({ status: 'error', code });
    }
  });

  it('says as much as its level allows, and refuses one that is none', async () => {
    const { worker, ask } = await startWorker(['--log-level', 'DEBUG']);
    await ask(process_('say'));
    await worker.says(/\[default\] it was said/);
    await worker.says(/\[worker\] process: answered in [\d.]+ ms/);
    const wrong = myelin(['worker', '--storage', temporaryFolder(), '--log-level', 'loud']);
    expect(await wrong.exited).toBe(1);
    expect(wrong.output()).toContain('--log-level is loud, but must be one of trace, debug');
  });

  it('answers calls in order, tells what user code raised, and loads a crashed project again', async () => {
    const { ask, status, published } = await startWorker();
    const replies = await Promise.all([1, 2, 3].map(() => ask(process_('next'))));
    expect(replies.map(({ data }) => data)).toEqual([1, 2, 3]);
    expect(await ask(process_('none'))).toMatchObject({ status: 'error', code: 'CALL_UNKNOWN' });
    const failed = await ask(process_('slow', { seconds: 'x' }));
    expect(failed).toMatchObject({ code: 'CALL_FAILED', data: { type: 'TypeError' } });
    const [crashed, after] = await Promise.all([ask(process_('leave')), ask(process_('next'))]);
    expect(crashed).toMatchObject({ code: 'PROJECT_CRASHED', retryable: true });
    expect(crashed.message).toContain('exited with code 3');
    expect(after).toMatchObject({ status: 'success', data: 1 });
    expect((await status()).instances[0]).toMatchObject({ state: 'ready', holdsArm: true });
    expect(published.some((message) => message.type === 'log' && /loaded again/.test(message.text))).toBe(
      true,
    );
  });

  it('ends a call that takes too long, and kills a project from outside without harm', async () => {
    const { ask, status } = await startWorker(['--max-execution-time', '1']);
    expect(await ask(process_('slow', { seconds: 60 }))).toMatchObject({ code: 'CALL_TIMEOUT' });
    const spawned = (await ask(process_('spawn'))).data;
    expect(typeof spawned).toBe('number');
    const open = ask(process_('slow', { seconds: 30 }));
    await until('it runs', () => true);
    const pid = (await status()).instances[0]?.pid ?? -1;
    process.kill(pid, 'SIGKILL');
    expect(await open).toMatchObject({
      code: 'PROJECT_CRASHED',
      message: expect.stringContaining('SIGKILL'),
    });
    expect(await ask(process_('next'))).toMatchObject({ data: 1 });
    await until('what it started is gone', () => spawnSync('pgrep', ['-f', 'sleep 4242']).status === 1);
  });

  it('runs every call once, in order, while its process crashes and hangs among them', async () => {
    const { ask, root } = await startWorker(['--max-execution-time', '1']);
    const numbers = Array.from({ length: 40 }, (_, i) => i);
    const asked = numbers.map((n) =>
      ask(n === 10 ? process_('leave') : n === 20 ? process_('hang') : process_('note', { n })),
    );
    const replies = await Promise.all(asked);
    expect(replies.map(({ code, data }) => code ?? data)).toEqual(
      numbers.map((n) => (n === 10 ? 'PROJECT_CRASHED' : n === 20 ? 'CALL_TIMEOUT' : n)),
    );
    const noted = readFileSync(noteOf(root), 'utf8').trim().split(' ').map(Number);
    expect(noted).toEqual(numbers.filter((n) => n !== 10 && n !== 20));
  });

  it('begins no waiting call any more once an update replaces its project', async () => {
    const { ask, update, root } = await startWorker();
    await update({ 'main.py': MAIN });
    await ask(process_('next'));
    const running = ask(process_('slow', { seconds: 3 }));
    const waiting = Array.from({ length: 30 }, (_, n) => ask(process_('note', { n })));
    await update({ 'main.py': 'def ask():\n    return 1\n' });
    const codes = (await Promise.all([running, ...waiting])).map(({ code }) => code);
    expect(codes.filter((code) => code !== undefined && code !== 'WORKER_UNAVAILABLE')).toEqual([]);
    const answered = codes.slice(1).filter((code) => code === undefined).length;
    const file = noteOf(root, 'main');
    const noted = existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').length : 0;
    expect(noted).toBe(answered);
  });

  it('stops background threads when the client goes, and keeps what is loaded', async () => {
    const { ask, published } = await startWorker();
    const pushes = () => published.filter(({ type }) => type === 'push').length;
    await ask(process_('next'));
    await ask(process_('watch'));
    await until('it pushes', () => pushes() > 2);
    expect(await ask({ command: 'disconnect' })).toMatchObject({
      data: { stopped: ['robot.stop'], failed: [] },
    });
    // What was under way arrives before the answer of a call that comes after.
    await ask(process_('slow', { seconds: 0.2 }));
    const before = pushes();
    await ask(process_('slow', { seconds: 0.3 }));
    expect(pushes()).toBe(before);
    expect(await ask(process_('next'))).toMatchObject({ data: 2 });
  });

  it('runs the new version after an update with nothing of the old one, and goes back', async () => {
    const { ask, update, status } = await startWorker();
    expect(await ask(process_('next'))).toMatchObject({ data: 1 });
    const old = (await status()).instances[0]?.pid ?? -1;
    const files = {
      'main.py': 'from part import ANSWER\ndef ask():\n    return ANSWER\n',
      'part.py': 'ANSWER = 1\n',
    };
    const version = (answer: number) => update({ ...files, 'part.py': `ANSWER = ${answer}\n` });
    const first = await version(1);
    expect(first).toMatchObject({
      message: 'Project updated',
      data: {
        project: 'main',
        version: expect.stringMatching(/^[0-9a-f]{64}$/),
        language: 'python',
        files: 2,
      },
    });
    const call = { command: 'process', params: { method: 'ask' } };
    expect(await ask(call)).toMatchObject({ data: 1 });
    await until('the project before has made way', () => isGone(old));
    const once = (await status()).instances[0]?.pid ?? -1;
    const [second, during] = await Promise.all([version(2), ask(call)]);
    expect(second.status).toBe('success');
    // Before, after, or told to come again: never lost.
    expect([1, 2, 'WORKER_UNAVAILABLE']).toContain(during.status === 'error' ? during.code : during.data);
    expect(isGone(once)).toBe(true);
    expect(await ask(call)).toMatchObject({ data: 2 });
    const { version: newest } = second.data as { version: string };
    expect(await ask({ command: 'start' })).toMatchObject({ data: { version: newest, functions: ['ask'] } });
    expect(await ask({ command: 'rollback' })).toMatchObject({ data: first.data });
    expect(await ask(call)).toMatchObject({ data: 1 });
    const broken = await update({ 'main.py': 'import nothing_of_that_name\n' });
    expect(broken.status).toBe('success');
    expect(await ask({ command: 'start' })).toMatchObject({
      code: 'PROJECT_LOAD_FAILED',
      data: { type: 'ModuleNotFoundError' },
    });
  });

  it('tells in the log that a stop() has not come to its end', async () => {
    const { ask, update, published } = await startWorker();
    await update({ 'main.py': 'import time\ndef ask():\n    return 1\ndef stop():\n    time.sleep(60)\n' });
    expect(await ask({ command: 'process', params: { method: 'ask' } })).toMatchObject({ data: 1 });
    const { data } = await ask({ command: 'disconnect' });
    expect(data).toMatchObject({
      stopped: [],
      failed: [expect.stringContaining('stop took longer than 2 s')],
    });
    const told = (message: Published) =>
      message.type === 'log' && message.stream === 'system' && /could not be stopped/.test(message.text);
    await until('it is told', () => published.some(told));
  });

  it('does not go back to what cannot be installed, and installs what was changed by hand', async () => {
    // An installer that knows no package: a real one takes its time to say so.
    const tools = writeProject({
      uv: '#!/bin/sh\n[ "$1" = venv ] || { echo "there is no such package"; exit 1; }\n',
    });
    const { root, ask, update } = await startWorker([], { PATH: `${tools}:${process.env.PATH}` });
    const call = { command: 'process', params: { method: 'ask' } };
    await update({ 'main.py': 'def ask():\n    return "first"\n' });
    const broken = {
      'main.py': 'def ask():\n    return "second"\n',
      'requirements.txt': 'unheard-of\n',
    };
    const refused = { code: 'PROJECT_INVALID', message: expect.stringContaining('there is no such package') };
    expect(await update(broken)).toMatchObject(refused);
    const versions = join(root, 'projects', 'versions', 'main');
    const version = readdirSync(versions).find((id) =>
      existsSync(join(versions, id, 'files', 'requirements.txt')),
    );
    const back = await ask({ command: 'rollback', data: { project: 'main', version } });
    expect(back).toMatchObject(refused);
    expect(await ask(call)).toMatchObject({ data: 'first' });
    writeProject({ 'projects/current/requirements.txt': 'unheard-of-too\n' }, root);
    expect(await ask({ command: 'start' })).toMatchObject(refused);
  });

  it('spreads the calls of a stateless project, and gives the arm to one instance', async () => {
    const { ask, update, status } = await startWorker([
      '--workers',
      '2',
      '--segment',
      'myelin_test_no_such_arm',
    ]);
    await update({ 'main.py': MAIN, 'myelin.yaml': 'stateless: true\n' });
    await Promise.all([1, 2].map(() => ask(process_('slow', { seconds: 1 }))));
    const { instances } = await status();
    expect(instances.map(({ holdsArm }) => holdsArm)).toEqual([true, false]);
    expect(new Set(instances.map(({ pid }) => pid)).size).toBe(2);
  });

  it('answers what is open when it is asked to end, and leaves nothing', async () => {
    const { worker, sockets, command, ask, status } = await startWorker();
    await ask(process_('next'));
    const pid = (await status()).instances[0]?.pid ?? -1;
    const second = start(command);
    expect(await second.exited).not.toBe(0);
    expect(second.output()).toContain('Another process listens');
    const open = [1, 2, 3].map(() => ask(process_('slow', { seconds: 30 })));
    await status();
    worker.child.kill('SIGTERM');
    for (const reply of await Promise.all(open)) {
      expect(reply).toMatchObject({ status: 'error', code: 'WORKER_UNAVAILABLE' });
    }
    expect(await worker.exited).toBe(0);
    await expectNothingLeft(worker, sockets, [pid]);
  });

  it('killed with -9 under load leaves no process, no socket file and no control group', async () => {
    const { worker, sockets, command, ask, status } = await startWorker(['--workers', '2']);
    await ask(process_('spawn'));
    void ask(process_('slow', { seconds: 60 }));
    const pids = (await status()).instances.map(({ pid }) => pid ?? -1);
    worker.child.kill('SIGKILL');
    await worker.exited;
    await expectNothingLeft(worker, sockets, pids);
    await until('what it started is gone', () => spawnSync('pgrep', ['-f', 'sleep 4242']).status === 1);
    const again = start(command);
    await again.says(/Worker ready/, 60_000);
  });
});

// The trial of the layers in this process makes a group of its own.
afterEach(() => {
  const parent = CgroupParent.find();
  if (typeof parent !== 'string') parent.close();
});
