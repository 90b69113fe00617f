import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server as TcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import { ASYNC_INFERENCE } from '../src/serving/lerobot/service.ts';
import { myelin, sharedMemoryWith, start } from './support/processes.ts';

/** `myelin doctor` as a process, on real servers, sockets and files. */

vi.setConfig({ testTimeout: 300_000 });

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'myelin-doctor-'));
  cleanups.push(() => rmSync(path, { recursive: true }));
  return path;
};

/** A listener that accepts connections and says nothing. */
const silentServer = async (): Promise<number> => {
  const sockets = new Set<{ destroy(): unknown }>();
  const server: TcpServer = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
};

/** A port that was free a moment ago. */
const freePort = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

interface Report {
  readonly verdict: string;
  readonly checks: readonly {
    readonly name: string;
    readonly verdict: string;
    readonly findings: readonly {
      readonly verdict: string;
      readonly seen: string;
      readonly hint?: string;
      readonly values?: Record<string, unknown>;
    }[];
  }[];
}

const doctor = async (...args: string[]): Promise<{ code: unknown; report: Report; pid: number }> => {
  const run = myelin(['doctor', '--json', ...args]);
  const code = await run.exited;
  const text = run.output();
  return { code, report: JSON.parse(text.slice(text.indexOf('{'))) as Report, pid: run.pid };
};

const seen = (report: Report): string[] =>
  report.checks.flatMap(({ findings }) => findings.map((finding) => `${finding.verdict}: ${finding.seen}`));
const hints = (report: Report): string =>
  report.checks.flatMap(({ findings }) => findings.map(({ hint }) => hint ?? '')).join(' ');

describe('myelin doctor', () => {
  it('looks over the machine, and leaves nothing behind', async () => {
    const { code, report, pid } = await doctor();
    expect(report.checks.map(({ name }) => name)).toEqual([
      ...['node', 'machine', 'gpu', 'realtime', 'cameras', 'arm', 'ports', 'firewall'],
    ]);
    expect(code).toBe(report.verdict === 'problem' ? 1 : 0);
    expect(report.checks.find(({ name }) => name === 'node')?.verdict).toBe('ok');
    expect(seen(report).join('\n')).toMatch(/cpu/);
    expect(seen(report).join('\n')).toMatch(/SCHED_FIFO is (granted|refused)/);
    for (const { verdict, hint } of report.checks.flatMap(({ findings }) => findings))
      expect(hint === undefined).toBe(verdict === 'ok');
    expect(sharedMemoryWith('myelin_doctor')).toEqual([]);
    expect(sharedMemoryWith(String(pid))).toEqual([]);
  });

  it('is readable without --json: a line a finding, hints, a sum', async () => {
    const run = myelin(['doctor', '--only', 'node,ports']);
    expect(await run.exited).toBe(0);
    expect(run.output()).toMatch(/^ok +Node\.js +\d+\.\d+/m);
    expect(run.output()).toMatch(/\d+ in order, 0 problems, \d+ warnings?\n$/);
  });

  it('shakes hands with a server in each of its protocols and measures the way to it', async () => {
    const server = myelin([
      ...['policy-server', '--policy', 'noop', '--port', '0', '--openpi-port', '0', '--pi05-port', '0'],
      ...['--state-file', join(folder(), 'state.json')],
    ]);
    await server.says(/^ready /m);
    const port = (title: string) => new RegExp(`${title}.*:(\\d+)`).exec(server.output())?.[1];
    const { code, report } = await doctor(
      ...[
        '--only',
        'server',
        '--timeout',
        '20',
        '--rounds',
        '5',
        '--server_address',
        `127.0.0.1:${port('LeRobot')}`,
      ],
      ...[
        '--server',
        `openpi://127.0.0.1:${port('openpi')}`,
        '--server',
        `pi05://127.0.0.1:${port('pi0.5')}`,
      ],
    );
    expect(seen(report).join('\n')).toMatch(/shakes hands: Myelin/);
    expect(seen(report).join('\n')).toMatch(/shakes hands: openpi/);
    expect(report.checks).toHaveLength(3);
    for (const { verdict, findings } of report.checks) {
      // A busy machine may make the round trips long, which is a warning.
      expect(verdict).not.toBe('problem');
      expect(findings).toHaveLength(3);
      expect(findings[2]?.values).toMatchObject({
        rounds: 5,
        p50Ms: expect.any(Number),
        p99Ms: expect.any(Number),
      });
    }
    expect(code).toBe(0);
  });

  it('knows a stock LeRobot server, and asks it nothing but whether it is ready', async () => {
    const asked: string[] = [];
    const server = new GrpcServer();
    const { ready, getActions, sendPolicyInstructions } = ASYNC_INFERENCE;
    const tell = (name: string) => (_: unknown, done: (error: null, answer: object) => void) => {
      asked.push(name);
      done(null, {});
    };
    server.addService(
      { ready, getActions, sendPolicyInstructions },
      {
        ready: tell('ready'),
        getActions: tell('getActions'),
        sendPolicyInstructions: tell('sendPolicyInstructions'),
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    cleanups.push(() => server.forceShutdown());
    const { code, report } = await doctor(
      '--only',
      'server',
      '--timeout',
      '20',
      '--rounds',
      '3',
      '--server',
      `127.0.0.1:${port}`,
    );
    expect(seen(report).join('\n')).toMatch(/shakes hands: LeRobot's own server/);
    expect(code).toBe(0);
    expect(asked).toEqual(['ready']);
  });

  it('tells a server that is not there from one that does not answer and one that wants a token', async () => {
    const closed = await freePort();
    const gone = await doctor('--only', 'server', '--server', `127.0.0.1:${closed}`);
    expect(gone.code).toBe(1);
    expect(seen(gone.report)).toEqual([`problem: 127.0.0.1:${closed} refuses connections`]);
    expect(hints(gone.report)).toContain('No server listens there');

    const silent = await silentServer();
    const mute = await doctor(
      ...['--only', 'server', '--timeout', '0.5', '--server', `127.0.0.1:${silent}`],
      ...['--server', `openpi://127.0.0.1:${silent}`],
    );
    expect(mute.code).toBe(1);
    expect(mute.report.checks.map(({ verdict }) => verdict)).toEqual(['problem', 'problem']);
    expect(seen(mute.report).filter((line) => line.startsWith('problem: no handshake'))).toHaveLength(2);

    const nowhere = await doctor('--only', 'server', '--server', 'no-such-host.invalid:8080');
    expect(nowhere.code).toBe(1);

    const guarded = myelin([
      ...['policy-server', '--policy', 'noop', '--port', '0', '--openpi-port', '0'],
      ...['--token', 'correct-horse', '--state-file', join(folder(), 'state.json')],
    ]);
    await guarded.says(/^ready /m);
    const at = (title: string) => `127.0.0.1:${new RegExp(`${title}.*:(\\d+)`).exec(guarded.output())?.[1]}`;
    const both = ['--server', at('LeRobot'), '--server', `openpi://${at('openpi')}`];
    const ask = (token: string) =>
      doctor('--only', 'server', '--timeout', '20', '--rounds', '2', ...both, '--token', token);
    const wrong = await ask('wrong-horse');
    expect(wrong.code).toBe(1);
    expect(hints(wrong.report)).toContain('--token');
    expect(wrong.report.checks.map(({ verdict }) => verdict)).toEqual(['problem', 'problem']);
    const right = await ask('correct-horse');
    expect(right.code).toBe(0);
    for (const { report } of [wrong, right]) expect(JSON.stringify(report)).not.toContain('-horse');
  });

  it('survives a server that talks nonsense, and shows none of its control characters', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    server.on('connection', (socket) => socket.send('\u001b[2J\u0007 hello'));
    await new Promise((resolve) => server.once('listening', resolve));
    cleanups.push(() => {
      for (const client of server.clients) client.terminate();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const run = myelin([
      ...['doctor', '--only', 'server', '--server', `openpi://127.0.0.1:${port}`],
      ...['--server', `pi05://127.0.0.1:${port}`, '--server', `127.0.0.1:${port}`, '--timeout', '1'],
    ]);
    expect(await run.exited).toBe(1);
    expect(run.output()).toContain('it says:');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not be there
    expect(run.output()).not.toMatch(/[\u0007]|\u001b\[2J/);
    expect(run.output()).toContain('0 in order, 3 problems'.replace('0', '3'));
  });

  it('knows the NATS server of a pool, for itself and for what a command joins', async () => {
    const nats = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write('INFO {"server_id":"x","version":"2.9.10","max_payload":1048576} \r\n');
    });
    await new Promise<void>((resolve) => nats.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => nats.close());
    const { port } = nats.address() as AddressInfo;
    const pool = `nats://ann:secret@127.0.0.1:${port}`;
    const { code, report } = await doctor('--only', 'server', '--server', pool);
    expect(code).toBe(0);
    expect(seen(report).at(-1)).toBe('ok: is a NATS server, version 2.9.10');
    expect(JSON.stringify(report)).not.toContain('secret');

    const client = await doctor('--for', 'robot-client', '--', '--server-address', `pool:${pool}?model=a`);
    const found = client.report.checks.find(({ name }) => name === 'server');
    expect(found?.verdict).toBe('ok');
    const worker = await doctor('--for', 'policy-server', '--', '--policy=noop', '--port=0', '--pool', pool);
    expect(worker.report.checks.find(({ name }) => name === 'server')?.verdict).toBe('ok');

    const silent = await doctor(
      ...['--only', 'server', '--timeout', '0.3', '--server', `nats://127.0.0.1:${await silentServer()}`],
    );
    expect(seen(silent.report).at(-1)).toContain('problem: it does not introduce itself as a NATS server');
  });

  it('names who holds a port that must be free', async () => {
    const port = await silentServer();
    const { code, report } = await doctor('--only', 'ports', '--port', String(port));
    expect(code).toBe(1);
    expect(seen(report)[0]).toContain(`${port} is in use by process ${process.pid}`);
    const free = await doctor('--only', 'ports', '--port', String(await freePort()));
    expect(free.code).toBe(0);
    const { report: other } = await doctor('--only', 'ports', '--port', '9', '--host', '192.0.2.1');
    expect(seen(other)[0]).toContain('192.0.2.1 is no address of this machine');
  });

  it('reads a checkpoint over, and does not hang on one that never answers', async () => {
    const missing = await doctor('--only', 'checkpoint', '-c', './no/such/checkpoint');
    expect(missing.code).toBe(1);
    expect(seen(missing.report)[0]).toContain('does not exist');

    const hub = await doctor('--only', 'checkpoint', '-c', 'lerobot/no_such_thing');
    expect(hub.code).toBe(0);
    expect(seen(hub.report)[0]).toContain('is not a path here');

    const broken = folder();
    writeFileSync(join(broken, 'config.json'), '{"type": "act"');
    const bad = await doctor('--only', 'checkpoint', '-c', broken);
    expect(bad.code).toBe(1);
    expect(hints(bad.report)).not.toBe('');

    const stuck = folder();
    execFileSync('mkfifo', [join(stuck, 'config.json')]);
    const hung = await doctor('--only', 'checkpoint', '-c', stuck);
    expect(hung.code).toBe(1);
    expect(seen(hung.report)[0]).toMatch(/does not exist|cannot be read in time|no answer within/);
  });

  it('looks at what a command needs, by its own options and configuration file', async () => {
    const port = await silentServer();
    const config = join(folder(), 'server.yaml');
    writeFileSync(config, `policy: noop\nport: ${port}\n`);
    const server = await doctor('--for', 'policy-server', '--', '--config', config);
    expect(server.code).toBe(1);
    expect(seen(server.report).join('\n')).toContain(`problem: ${port} is in use`);
    expect(server.report.checks.map(({ name }) => name)).toEqual([
      ...['node', 'machine', 'gpu', 'ports', 'firewall'],
    ]);

    const client = await doctor(
      ...['--for', 'robot-client', '--timeout', '0.5', '--'],
      ...['--config', 'configs/async_client_example.yaml', `--server_address=127.0.0.1:${port}`],
    );
    const { checks } = client.report;
    expect(checks.map(({ name }) => name)).toEqual([
      ...['node', 'machine', 'realtime', 'cameras', 'control', 'server'],
    ]);
    expect(checks.find(({ name }) => name === 'cameras')?.findings).toHaveLength(3);
    expect(client.code).toBe(1);
  });

  it('refuses options it or the command it speaks for would not take', async () => {
    for (const args of [
      ['--only', 'weather'],
      ['--server', 'http://gpu'],
      ['--port', '0'],
      ['policy-server'],
      ['--for', 'policy-server', '--', '--port', 'eighty'],
      ['--for', 'robot-client', '--', '--config', '/no/such/file.yaml'],
      ['--for', 'robot-client', '--', '--server-address', 'http://gpu'],
    ]) {
      const run = myelin(['doctor', ...args]);
      expect([args, await run.exited]).toEqual([args, 2]);
      expect(run.output()).toMatch(/^error: /m);
    }
  });

  it('ends when its reader goes away', async () => {
    const run = start(['bash', '-c', `${process.execPath} dist/cli/main.js doctor --only node | head -n 0`]);
    expect(await run.exited).toBe(0);
  });
});
