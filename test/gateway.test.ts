import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ControlState, Request } from '../src/core/control-state.ts';
import { monotonicNs } from '../src/platform/clock.ts';
import { libc } from '../src/platform/libc.ts';
import type { Answer } from '../src/remote/protocol/answer.ts';
import { RIGHTS, type Right } from '../src/remote/protocol/right.ts';
import { ArmSegment } from '../src/segment/arm-segment.ts';
import { Lease } from '../src/segment/lease.ts';
import { ask, call, connected, startGatewayProcess, temporaryFolder } from './support/gateway-run.ts';
import { myelin, start, until } from './support/processes.ts';

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const pass = (answer: Answer) => answer.code ?? answer.status;

/** An arm as a control process shows it, filled by the test. */
function arm(segment: string): ArmSegment {
  return ArmSegment.create(segment, { dof: 7, model: 'X5', interfaceName: 'none' });
}

/** The end of systemd: a datagram socket that keeps what it hears. */
function serviceManager(path: string): { path: string; heard(): readonly string[]; close(): void } {
  const c = libc();
  const [AF_UNIX, SOCK_DGRAM, DONT_WAIT] = [1, 2, 0x40];
  const fd = c.socket(AF_UNIX, SOCK_DGRAM, 0);
  const address = Buffer.from(`\x01\0${path}\0`);
  expect(c.bind(fd, address, address.length)).toBe(0);
  const lines: string[] = [];
  const bytes = Buffer.alloc(4096);
  const read = () => String(bytes.subarray(0, Math.max(0, c.recv(fd, bytes, bytes.length, DONT_WAIT))));
  const heard = () => {
    for (let line = read(); line !== ''; line = read()) lines.push(line);
    return lines;
  };
  // As systemd does: what is not read holds back what comes after.
  const reading = setInterval(heard, 10);
  const close = () => {
    clearInterval(reading);
    c.close(fd);
  };
  return { path, heard, close };
}

describe('myelin gateway', () => {
  it('greets, gives the first token once, keeps its hash alone, and ends on Ctrl-C with nothing left', async () => {
    const storage = temporaryFolder();
    const flags = ['gateway', '--no-worker', '--storage', storage, '--port', '0'];
    const first = myelin(flags);
    const said = await first.says(/#token=\S+[\s\S]*Press Ctrl\+C/, 60_000);
    expect(said).toContain('#token=myl_');
    const token = /#token=(\S+)/.exec(said)?.[1] ?? '';
    const url = /Socket\.IO Server: (\S+)/.exec(first.output())?.[1] ?? '';
    const status = await fetch(`${url}/api/status`, { headers: { authorization: `Bearer ${token}` } });
    expect(status.status).toBe(200);
    first.child.kill('SIGINT');
    expect(await first.exited).toBe(0);
    const second = myelin(flags);
    await second.says(/Press Ctrl\+C/, 60_000);
    expect(second.output()).not.toContain('#token=');
    second.child.kill('SIGTERM');
    expect(await second.exited).toBe(0);
    expect(statSync(join(storage, 'tokens.json')).mode & 0o777).toBe(0o600);
    const log = readFileSync(join(storage, 'logs/app.log'), 'utf8');
    expect(log).toContain('listening');
    expect(log + readFileSync(join(storage, 'tokens.json'), 'utf8')).not.toContain(token);
  });

  it.each([
    [['--port', '99999'], 1, /--port is 99999, but must be a whole number from 0 to 65535/],
    [['--config', '/nonexistent.yaml'], 1, /nonexistent\.yaml does not exist/],
    [['--host', '0.0.0.0'], 1, /nothing is encrypted/],
    [['--nonsense'], 2, /unknown option/],
  ])('refuses %s and says why', async (flags, code, pattern) => {
    const gateway = myelin(['gateway', '--no-worker', '--storage', temporaryFolder(), ...flags]);
    expect(await gateway.exited).toBe(code);
    expect(gateway.output()).toMatch(pattern);
  });

  it('tells a service manager how it is, shows no token where output is kept, and says whether it is ready', async () => {
    const storage = temporaryFolder();
    const manager = serviceManager(join(storage, 'notify'));
    const environment = { NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: '200000', container: 'test' };
    const { port, gateway } = await startGatewayProcess([], { worker: false, storage, environment });
    await until('it is ready', () => manager.heard().some((text) => text.startsWith('READY=1')));
    await until('it is alive', () => manager.heard().includes('WATCHDOG=1'));
    expect(manager.heard().join()).toContain(`STATUS=Listening at http://127.0.0.1:${port}`);
    const health = async (...flags: string[]) => {
      const asked = myelin(['health', '--port', String(port), ...flags]);
      return [await asked.exited, asked.output()];
    };
    expect(await health()).toEqual([1, expect.stringMatching(/readyz: 503 .*"worker":"starting"/)]);
    expect(await health('--alive')).toEqual([0, expect.stringContaining('healthz: 200')]);
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);
    await until('it is stopping', () => manager.heard().includes('STOPPING=1'));
    manager.close();
    expect(await health()).toEqual([1, expect.stringMatching(/ECONNREFUSED/)]);
    const unseen = myelin(
      ['gateway', '--no-worker', '--storage', temporaryFolder(), '--port', '0'],
      environment,
    );
    await unseen.says(/Press Ctrl\+C/, 60_000);
    expect(unseen.output()).toMatch(/none yet: myelin token create NAME --right admin/);
    expect(unseen.output()).not.toContain('#token=');
  });

  it('makes no token that it does not show: one that could not start leaves none', async () => {
    const storage = temporaryFolder();
    const refused = myelin(['gateway', '--no-worker', '--storage', storage, '--host', '0.0.0.0']);
    expect(await refused.exited).toBe(1);
    expect(refused.output()).toContain('hint: Give --tls-cert with --tls-key; or --insecure');
    const next = myelin(['gateway', '--no-worker', '--storage', storage, '--port', '0']);
    await next.says(/#token=\S+[\s\S]*Press Ctrl\+C/, 60_000);
  });

  it('does not share its storage with a second one', async () => {
    const { storage } = await startGatewayProcess([], { worker: false });
    const second = myelin(['gateway', '--no-worker', '--storage', storage, '--port', '0']);
    expect(await second.exited).toBe(1);
    expect(second.output()).toContain(`Another gateway uses the folder ${storage}`);
  });
});

describe('Socket.IO, with the stock client', () => {
  it('updates, starts, calls, and hears what user code pushes', async () => {
    const { socket, tokens } = await startGatewayProcess();
    const client = await connected(socket(tokens.deploy));
    const archive = randomBytes(300_000);
    for (const key of ['data', 'zip_data']) {
      const answer = await ask(client, 'update', { [key]: archive.toString('base64') });
      expect(answer).toMatchObject({
        status: 'success',
        data: { bytes: archive.length, sha256: sha256(archive) },
      });
    }
    expect(await ask(client, 'start', {})).toMatchObject({ status: 'success' });
    expect(await ask(client, 'process', call('echo', { n: 7 }))).toEqual({
      status: 'success',
      message: 'done',
      data: { n: 7 },
    });
    const pushed = new Promise((done) => client.once('recognition_result', done));
    await ask(client, 'process', call('push', { event: 'recognition_result', data: { object: '球' } }));
    expect(await pushed).toEqual({ object: '球' });
  });

  it('works over polling alone', async () => {
    const { socket, tokens } = await startGatewayProcess();
    const client = await connected(socket(tokens.deploy, { transports: ['polling'] }));
    const data = randomBytes(200_000).toString('base64');
    expect(await ask(client, 'update', { data })).toMatchObject({
      status: 'success',
      data: { bytes: 200_000 },
    });
  });

  it('answers what is wrong with a code and a hint, with or without an acknowledgement', async () => {
    const { socket, tokens } = await startGatewayProcess(['--max-message-size', '200000']);
    const client = await connected(socket(tokens.deploy));
    for (const [event, payload, code] of [
      ['process', {}, 'REQUEST_INVALID'],
      ['process', { params: { method: '' } }, 'REQUEST_INVALID'],
      ['process', call('nothing'), 'CALL_UNKNOWN'],
      ['process', call('fail'), 'CALL_FAILED'],
      ['update', { data: 'not base64!' }, 'ARCHIVE_REFUSED'],
      ['update', {}, 'REQUEST_INVALID'],
      ['update', { data: 'x'.repeat(200_001) }, 'MESSAGE_TOO_LARGE'],
      ['reboot', {}, 'REQUEST_INVALID'],
    ] as const) {
      const answer = await ask(client, event, payload);
      expect(answer).toMatchObject({ status: 'error', code, hint: expect.any(String) });
    }
    const unasked = new Promise((done) => client.once('callback', done));
    client.emit('process', 7);
    expect(await unasked).toMatchObject({ status: 'error', code: 'REQUEST_INVALID', request: 'process' });
  });

  it('cannot be made to send events that are not user code’s', async () => {
    const { socket, tokens } = await startGatewayProcess();
    const client = await connected(socket(tokens.operate));
    for (const event of ['disconnect', 'connect_error', 'callback', 'newListener'])
      expect(pass(await ask(client, 'process', call('push', { event, data: 1 })))).toBe('success');
    expect(await ask(client, 'process', call('echo', [1]))).toMatchObject({ data: [1] });
    expect(client.connected).toBe(true);
  });
});

describe('WebSocket at /ws', () => {
  it('answers a process at once and sends its result after, both with the request’s id', async () => {
    const { webSocket, tokens } = await startGatewayProcess();
    const client = webSocket(tokens.deploy);
    expect(await client.opened).toBe(101);
    client.send({
      command: 'process',
      id: 'a',
      params: { object: 'robot', method: 'sleep', args: { ms: 50 } },
    });
    await client.hears(({ status }) => status === 'callback');
    expect(client.heard).toMatchObject([
      { status: 'success', id: 'a' },
      { status: 'callback', id: 'a', data: { slept: 50 } },
    ]);
    client.send({ command: 'process', params: { method: 'fail' } });
    const failed = await client.hears(({ code }) => code === 'CALL_FAILED');
    expect(failed).toMatchObject({ status: 'callback', message: 'as asked' });
    expect(await client.ask({ command: 'start' })).toMatchObject({ status: 'success' });
    const archive = randomBytes(2_000_000);
    const updated = await client.ask({ command: 'update', data: archive.toString('base64') });
    expect(updated).toMatchObject({ status: 'success', data: { sha256: sha256(archive) } });
    client.send({ command: 'process', params: { method: 'push', args: { event: 'seen', data: 5 } } });
    expect(await client.hears(({ event }) => event === 'seen')).toMatchObject({
      status: 'callback',
      data: 5,
    });
  });

  it('keeps answers of many calls apart', async () => {
    const { webSocket, tokens } = await startGatewayProcess();
    const client = webSocket(tokens.operate);
    await client.opened;
    for (let id = 0; id < 100; id++)
      client.send({ command: 'process', id, params: { method: 'echo', args: [id] } });
    await client.hears(({ id, status }) => id === 99 && status === 'callback');
    await until('all results are there', () => client.heard.length === 200);
    for (const { id, status, data } of client.heard) if (status === 'callback') expect(data).toEqual([id]);
  });

  it('takes a long text in a call for what it is, whatever it is called', async () => {
    const { webSocket, socket, tokens } = await startGatewayProcess();
    const args = { data: 'A'.repeat(200_000), more: [{ zip_data: 'B'.repeat(70_000) }] };
    const client = webSocket(tokens.operate);
    await client.opened;
    client.send({ command: 'process', id: 'long', params: { method: 'echo', args } });
    expect((await client.hears(({ status }) => status === 'callback')).data).toEqual(args);
    client.send({ command: 'operator', action: 'release' });
    for (const transport of ['websocket', 'polling']) {
      const other = await connected(socket(tokens.operate, { transports: [transport] }));
      expect((await ask(other, 'operator', { action: 'take' })).status).toBe('success');
      expect((await ask(other, 'process', call('echo', args))).data).toEqual(args);
      other.disconnect();
    }
  });
});

describe('who may do what', () => {
  /** What each request answers to each right, over every protocol. */
  const NEEDS: readonly (readonly [string, Right])[] = [
    ['update', 'deploy'],
    ['start', 'operate'],
    ['process', 'operate'],
    ['stop', 'observe'],
  ];
  const expected = (has: Right, needs: Right) =>
    RIGHTS.indexOf(has) >= RIGHTS.indexOf(needs) ? 'success' : 'RIGHT_MISSING';

  it('is decided by the token, the same in every protocol', async () => {
    const { socket, webSocket, api, tokens, segment } = await startGatewayProcess();
    using shown = arm(segment);
    for (const has of RIGHTS) {
      const client = await connected(socket(tokens[has]));
      for (const [event, needs] of NEEDS) {
        const payload = event === 'process' ? call('echo') : event === 'update' ? { data: 'AAAA' } : {};
        expect([has, event, pass(await ask(client, event, payload))]).toEqual([
          has,
          event,
          expected(has, needs),
        ]);
      }
      client.disconnect();
      const plain = webSocket(tokens[has]);
      await plain.opened;
      for (const [command, needs] of NEEDS) {
        const more =
          command === 'process'
            ? { params: { method: 'echo' } }
            : command === 'update'
              ? { data: 'AAAA' }
              : {};
        let answer = await plain.ask({ command, ...more });
        for (let tries = 0; answer.code === 'OPERATOR_BUSY' && tries < 50; tries++)
          answer = await plain.ask({ command, ...more });
        expect([has, command, pass(answer)]).toEqual([has, command, expected(has, needs)]);
      }
      plain.socket.close();
      await plain.closed;
      for (const [path, method, needs] of [
        ['/api/status', 'GET', 'observe'],
        ['/api/operator', 'GET', 'observe'],
        ['/api/logs', 'GET', 'operate'],
        ['/api/arm/stop', 'POST', 'observe'],
        ['/api/arm/pause', 'POST', 'operate'],
        ['/api/projects/x/start', 'POST', 'operate'],
        ['/api/projects/x', 'PUT', 'deploy'],
        ['/api/projects', 'GET', 'observe'],
        ['/api/projects/x/rollback', 'POST', 'deploy'],
        ['/api/tokens', 'GET', 'admin'],
        ['/api/operator', 'DELETE', 'admin'],
      ] as const) {
        const body = method === 'PUT' ? { body: 'archive' } : {};
        let answer = await api(path, { method, token: tokens[has], ...body });
        for (let tries = 0; answer.status === 409 && tries < 50; tries++)
          answer = await api(path, { method, token: tokens[has], ...body });
        const status = expected(has, needs) === 'success' ? 200 : 403;
        expect([has, path, answer.status, answer.body.code]).toEqual([
          has,
          path,
          status,
          status === 200 ? undefined : 'RIGHT_MISSING',
        ]);
      }
    }
    shown.unlink();
  });

  it('is nothing without a token, with a wrong one, or from another web page', async () => {
    const { socket, webSocket, api, tokens } = await startGatewayProcess();
    for (const [token, code, status] of [
      [undefined, 'TOKEN_MISSING', 401],
      ['myl_wrong', 'TOKEN_REFUSED', 401],
    ] as const) {
      await expect(connected(socket(token))).rejects.toMatchObject({
        data: { code, hint: expect.any(String) },
      });
      expect(await webSocket(token).opened).toBe(status);
      expect((await api('/api/status', token === undefined ? {} : { token })).status).toBe(status);
    }
    const origin = 'http://evil.example';
    expect(await webSocket(tokens.admin, { origin }).opened).toBe(403);
    expect((await api('/api/status', { token: tokens.admin, headers: { origin } })).status).toBe(403);
    await expect(
      connected(socket(tokens.admin, { transports: ['websocket'], extraHeaders: { origin } })),
    ).rejects.toThrow();
  });

  it('is, for this machine and without a token, what --local says, but not through a proxy', async () => {
    const { socket, api } = await startGatewayProcess(['--local', 'operate']);
    const client = await connected(socket());
    expect(pass(await ask(client, 'process', call('echo')))).toBe('success');
    expect(pass(await ask(client, 'update', { data: 'AAAA' }))).toBe('RIGHT_MISSING');
    expect((await api('/api/status')).status).toBe(200);
    expect((await api('/api/status', { headers: { 'x-forwarded-for': '10.0.0.1' } })).status).toBe(401);
  });

  it('ends when the token is revoked', async () => {
    const { socket, webSocket, api, tokens } = await startGatewayProcess();
    const client = await connected(socket(tokens.deploy));
    const plain = webSocket(tokens.deploy);
    await plain.opened;
    const gone = new Promise((done) => client.once('disconnect', done));
    const { body } = await api('/api/tokens/deploy', { method: 'DELETE', token: tokens.admin });
    expect(body.status).toBe('success');
    await Promise.all([gone, plain.closed]);
    expect((await api('/api/status', { token: tokens.deploy })).status).toBe(401);
  });
});

describe('the operator', () => {
  it('is one; the next is refused by name, an admin takes over, and the arm’s segment names who it is', async () => {
    const { socket, webSocket, tokens, segment } = await startGatewayProcess();
    using shown = arm(segment);
    const first = await connected(socket(tokens.operate));
    await until('the segment names the operator', () => shown.fields.operatorName === 'operate');
    expect(shown.fields.operatorHeartbeatNs).toBeGreaterThan(0);
    const second = webSocket(tokens.deploy);
    await second.opened;
    expect(await second.ask({ command: 'process', params: { method: 'echo' } })).toMatchObject({
      status: 'error',
      code: 'OPERATOR_BUSY',
      message: expect.stringContaining('"operate" (socket.io'),
    });
    expect(await second.ask({ command: 'stop' })).toMatchObject({ status: 'success' });
    expect(shown.takeRequests()).toBe(Request.STOP);
    expect(await second.ask({ command: 'operator', action: 'take' })).toMatchObject({
      code: 'OPERATOR_BUSY',
    });
    const admin = await connected(socket(tokens.admin));
    expect(await ask(admin, 'operator', { action: 'take' })).toMatchObject({
      data: { holder: { name: 'admin', protocol: 'socket.io' } },
    });
    expect(pass(await ask(first, 'process', call('echo')))).toBe('OPERATOR_BUSY');
    await ask(admin, 'operator', { action: 'release' });
    expect(pass(await ask(first, 'process', call('echo')))).toBe('success');
    shown.unlink();
  });

  it('that freezes is noticed without its connection ending; its project is stopped and the arm paused', async () => {
    const { url, socket, tokens, segment } = await startGatewayProcess();
    using shown = arm(segment);
    shown.fields.controlState = ControlState.RUNNING;
    const lease = Lease.acquire(shown, 'project test', monotonicNs());
    const heart = setInterval(() => lease.heartbeat(monotonicNs(), 0), 100);
    const script = join(import.meta.dirname, 'support/operator-client.mjs');
    const client = start([process.execPath, script, url, tokens.operate]);
    await client.says(/operating/, 60_000);
    const watcher = await connected(socket(tokens.admin));
    const free = new Promise((done) =>
      watcher.on('myelin', (notice: { type: string; holder?: unknown }) => {
        if (notice.type === 'operator' && notice.holder === null) done(undefined);
      }),
    );
    client.child.kill('SIGSTOP');
    await free;
    await until('a pause is asked for', () => (shown.takeRequests() & Request.PAUSE) !== 0);
    expect(await ask(watcher, 'process', call('seen'))).toMatchObject({ data: { disconnect: 1 } });
    clearInterval(heart);
    shown.unlink();
  });

  it('that leaves has its project stopped, and everybody is told', async () => {
    const { socket, tokens } = await startGatewayProcess();
    const first = await connected(socket(tokens.operate));
    const watcher = await connected(socket(tokens.admin));
    expect(pass(await ask(watcher, 'process', call('seen')))).toBe('OPERATOR_BUSY');
    const free = new Promise((done) =>
      watcher.on('myelin', ({ holder }) => holder === null && done(undefined)),
    );
    first.disconnect();
    await free;
    expect(await ask(watcher, 'process', call('seen'))).toMatchObject({ data: { disconnect: 1 } });
  });
});

describe('a worker that dies', () => {
  it('leaves no call unanswered and gets no call of before when it is back', async () => {
    const running = await startGatewayProcess();
    const { socket, tokens } = running;
    const client = await connected(socket(tokens.operate));
    const open = Array.from({ length: 20 }, () => ask(client, 'process', call('never')));
    open.push(ask(client, 'process', call('die')));
    for (const answer of await Promise.all(open))
      expect(answer).toMatchObject({ code: 'WORKER_UNAVAILABLE' });
    const waiting = ask(client, 'process', call('echo', ['waited']));
    await running.startWorker();
    expect(await waiting).toMatchObject({ status: 'success', data: ['waited'] });
    const { data } = await ask(client, 'process', call('seen'));
    expect(data).toMatchObject({ update: 0 });
  });

  it('is said to be absent to those who wait in vain', async () => {
    const { api, tokens } = await startGatewayProcess([], { worker: false });
    expect((await api('/healthz')).status).toBe(200);
    expect((await api('/readyz')).status).toBe(503);
    const { status, body } = await api('/api/process', {
      method: 'POST',
      token: tokens.operate,
      headers: { 'content-type': 'application/json' },
      body: '{"method":"echo"}',
    });
    expect([status, body.code]).toEqual([503, 'WORKER_UNAVAILABLE']);
  });
});

describe('the HTTP API', () => {
  it('takes a streamed upload, and a stop in the middle of it', async () => {
    const { api, tokens, segment, storage } = await startGatewayProcess();
    using shown = arm(segment);
    const archive = randomBytes(8_000_000);
    let release: () => void = () => undefined;
    const half = new Promise<void>((done) => {
      release = done;
    });
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(archive.subarray(0, 4_000_000));
        await half;
        controller.enqueue(archive.subarray(4_000_000));
        controller.close();
      },
    });
    const upload = api('/api/projects/demo', {
      method: 'PUT',
      token: tokens.deploy,
      body,
      duplex: 'half',
    } as RequestInit & { token: string });
    const uploads = join(storage, 'projects/uploads');
    await until('half of it is on disk', () =>
      readdirSync(uploads).some((name) => statSync(join(uploads, name)).size === 4_000_000),
    );
    const { status } = await api('/api/arm/stop', { method: 'POST', token: tokens.observe });
    expect([status, shown.takeRequests()]).toEqual([200, Request.STOP]);
    release();
    expect((await upload).body).toMatchObject({
      status: 'success',
      data: { project: 'demo', bytes: archive.length, sha256: sha256(archive) },
    });
    expect(readdirSync(uploads)).toEqual([]);
    shown.unlink();
  });

  it('refuses uploads that are too long, and keeps nothing of them or of those that break off', async () => {
    const { api, url, tokens, storage } = await startGatewayProcess(['--max-upload-size', '100000']);
    const put = (body: string | ReadableStream<Uint8Array>, more: object = {}) =>
      api('/api/projects/demo', { method: 'PUT', token: tokens.deploy, body, ...more } as RequestInit);
    expect(await put('x'.repeat(100_001))).toMatchObject({
      status: 413,
      body: { code: 'MESSAGE_TOO_LARGE' },
    });
    const abort = new AbortController();
    const endless = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        await new Promise((done) => setTimeout(done, 5));
        controller.enqueue(new Uint8Array(10));
      },
    });
    const broken = put(endless, { duplex: 'half', signal: abort.signal }).catch(() => 'broken off');
    const uploads = join(storage, 'projects/uploads');
    await until('it has begun', () => readdirSync(uploads).length > 0);
    abort.abort();
    await broken;
    await until('nothing is kept', () => readdirSync(uploads).length === 0);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('describes itself', async () => {
    const { url, tokens, api } = await startGatewayProcess();
    const document = (await (await fetch(`${url}/api/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, Record<string, object>>;
    };
    expect(document.openapi).toMatch(/^3\./);
    const paths = ['', '/{name}', '/{name}/archive', '/{name}/diff', '/{name}/rollback'];
    expect(Object.keys(document.paths['/api/projects/{name}'] ?? {})).toEqual(['put', 'get', 'delete']);
    for (const path of [
      ...['/api/status', '/api/arm/stop', '/api/tokens', '/healthz'],
      ...paths.map((path) => `/api/projects${path}`),
    ])
      expect(Object.keys(document.paths)).toContain(path);
    expect(JSON.stringify(document.paths['/api/process'])).toContain('"method"');
    const page = await (await fetch(`${url}/api`)).text();
    expect(page).toContain('/api/projects/{name}');
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/myelin_worker_ready 1/);
    expect((await api('/api/nothing')).status).toBe(404);
    expect((await api('/api/logs?lines=3', { token: tokens.operate })).body.data).toMatchObject({
      lines: expect.any(Array),
    });
  });

  it('makes and ends tokens', async () => {
    const { api, tokens } = await startGatewayProcess([], { worker: false });
    const json = { 'content-type': 'application/json' };
    const body = JSON.stringify({ name: 'new one', right: 'observe' });
    const made = await api('/api/tokens', { method: 'POST', token: tokens.admin, headers: json, body });
    const { token } = made.body.data as { token: string };
    expect((await api('/api/status', { token })).status).toBe(200);
    const again = await api('/api/tokens', { method: 'POST', token: tokens.admin, headers: json, body });
    expect([again.status, again.body.code]).toEqual([400, 'INVALID_ARGUMENT']);
    await api('/api/tokens/new%20one', { method: 'DELETE', token: tokens.admin });
    expect((await api('/api/status', { token })).status).toBe(401);
  });
});
