import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAlive } from '../src/platform/process.ts';
import { start, uniqueName, until } from './support/processes.ts';

/** The start scripts, really run: they must leave a process behind, and find it again. */

vi.setConfig({ testTimeout: 600_000 });

const SCRIPTS = resolve(import.meta.dirname, '../scripts');
const NAMES = ['policy-server', 'robot-client', 'control'];
let folder: string;
let pids: number[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'myelin-scripts-'));
  pids = [];
});

afterEach(async () => {
  for (const name of NAMES) remember(name);
  for (const pid of pids) if (isOurs(pid)) process.kill(pid, 'SIGKILL');
  await until('nothing is left', () => !pids.some(isOurs));
  rmSync(folder, { recursive: true });
});

/** PID files are written by tests too: only what the scripts started may be ended. */
function isOurs(pid: number): boolean {
  try {
    const [program = '', main = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return isAlive(pid) && program === process.execPath && main.endsWith('dist/cli/main.js');
  } catch {
    return false;
  }
}

const file = (name: string): string => join(folder, 'run', name);

function pidOf(name: string): number | undefined {
  if (!existsSync(file(`${name}.pid`))) return undefined;
  return Number(readFileSync(file(`${name}.pid`), 'utf8').split('\n')[0]);
}

/** What all of them wrote. */
const logs = (): string =>
  NAMES.map((name) => file(`${name}.log`))
    .filter((path) => existsSync(path))
    .map((path) => `\n${path}:\n${readFileSync(path, 'utf8')}`)
    .join('');

function remember(name: string): void {
  const pid = pidOf(name);
  if (pid !== undefined && isOurs(pid)) pids.push(pid);
}

/** Runs a script to its end. */
async function run(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const started = start(['bash', join(SCRIPTS, script), ...args], {
    MYELIN_NODE: process.execPath,
    MYELIN_RUN_DIR: join(folder, 'run'),
    XDG_STATE_HOME: folder,
    MYELIN_TOKEN: '',
    ...env,
  });
  const code = await started.exited;
  for (const name of NAMES) remember(name);
  return { code, text: started.output() };
}

const server = (...args: string[]) => run('start_policy_server.sh', args);
const client = (...args: string[]) => run('start_robot_client.sh', args);

const freePort = async (): Promise<number> => {
  const listener = createServer();
  await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done));
  const { port } = listener.address() as AddressInfo;
  await new Promise((done) => listener.close(done));
  return port;
};

const noop = async (): Promise<string[]> => ['--policy', 'noop', '--port', String(await freePort())];

describe('start_policy_server.sh', () => {
  it('starts in the background, refuses a second start, restarts with the same options, stops', async () => {
    const options = await noop();
    const first = await server(...options);
    expect(first).toMatchObject({
      code: 0,
      text: expect.stringMatching(/policy-server runs \(process \d+\): ready /),
    });
    const pid = pidOf('policy-server');
    expect(isAlive(pid ?? -1)).toBe(true);
    expect(readFileSync(file('policy-server.log'), 'utf8')).toContain('listening');
    expect(await server('status')).toMatchObject({
      code: 0,
      text: expect.stringContaining(`process ${pid}`),
    });

    const second = await server('start', ...options);
    expect(second).toMatchObject({ code: 1, text: expect.stringContaining(`runs already (process ${pid})`) });
    expect(pidOf('policy-server')).toBe(pid);

    const again = await server('restart');
    expect(again).toMatchObject({ code: 0, text: expect.stringContaining('ready ') });
    expect(pidOf('policy-server')).not.toBe(pid);
    expect(isAlive(pid ?? -1)).toBe(false);

    expect(await server('logs')).toMatchObject({
      code: 0,
      text: expect.stringMatching(/started[\s\S]*started/),
    });
    const last = pidOf('policy-server') ?? -1;
    expect(await server('stop')).toMatchObject({ code: 0, text: expect.stringContaining('stopped') });
    expect(isAlive(last)).toBe(false);
    expect(pidOf('policy-server')).toBeUndefined();
    expect(await server('status')).toMatchObject({ code: 3, text: expect.stringContaining('does not run') });
    expect(await server('stop')).toMatchObject({ code: 0, text: expect.stringContaining('does not run') });
  });

  it('recognises the PID file of a server that was killed, and of a process that only has its number', async () => {
    const options = await noop();
    expect(await server(...options)).toMatchObject({ code: 0 });
    const pid = pidOf('policy-server') ?? -1;
    process.kill(pid, 'SIGKILL');
    await until('it is gone', () => !isAlive(pid));
    expect(await server('status')).toMatchObject({ code: 1, text: expect.stringContaining('stale') });
    const again = await server(...options);
    expect(again).toMatchObject({ code: 0, text: expect.stringContaining('removing a stale PID file') });
    expect(await server('stop')).toMatchObject({ code: 0 });

    writeFileSync(file('policy-server.pid'), `${process.pid}\n1\n`);
    expect(await server('status')).toMatchObject({ code: 1 });
    expect(await server('stop')).toMatchObject({ code: 0, text: expect.stringContaining('stale') });
    for (const rubbish of ['', 'x\n', '12 34\n', '999999999\n1\n']) {
      writeFileSync(file('policy-server.pid'), rubbish);
      expect(await server('status')).toMatchObject({ code: 1 });
    }
    rmSync(file('policy-server.pid'));
  });

  it('says before it starts what is in the way, and leaves nothing when the start fails', async () => {
    expect(await server('restart')).toMatchObject({ code: 2 });
    const listener = createServer();
    await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done));
    const { port } = listener.address() as AddressInfo;
    try {
      const taken = ['--policy', 'noop', '--port', String(port)];
      const refused = await server(...taken);
      expect(refused).toMatchObject({
        code: 1,
        text: expect.stringContaining(`${port} is in use by process`),
      });
      expect(refused.text).toContain('--skip-checks');
      const failed = await server('--skip-checks', ...taken);
      expect(failed).toMatchObject({ code: 1, text: expect.stringContaining('ended at once') });
      expect(failed.text).toContain(`Port ${port}`);
    } finally {
      await new Promise((done) => listener.close(done));
    }
    expect(pidOf('policy-server')).toBeUndefined();
    expect(await server('-c', './no/such/checkpoint')).toMatchObject({
      code: 1,
      text: expect.stringContaining('./no/such/checkpoint does not exist'),
    });
    expect(await server('--port', 'eighty', '--policy', 'noop')).toMatchObject({ code: 2 });
    expect(await server()).toMatchObject({ code: 2, text: expect.stringContaining('Usage:') });
    const unbuilt = await run('start_policy_server.sh', ['--policy', 'noop'], { MYELIN_NODE: '/no/node' });
    expect(unbuilt).toMatchObject({ code: 1, text: expect.stringContaining('there is no program') });
  });

  it('reads the example configuration; a wrong value in it is named with its key', async () => {
    const example = readFileSync(resolve(SCRIPTS, '../configs/async_server_example.yaml'), 'utf8');
    const config = join(folder, 'server.yaml');
    const port = await freePort();
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      config,
      example.replace(/^checkpoint: .*$/m, 'policy: noop').replace(/^port: .*$/m, `port: ${port}`),
    );
    expect(await server('--config', config)).toMatchObject({
      code: 0,
      text: expect.stringContaining('ready '),
    });
    expect(readFileSync(file('policy-server.log'), 'utf8')).toContain(`127.0.0.1:${port}`);
    expect(await server('stop')).toMatchObject({ code: 0 });
    writeFileSync(config, example.replace(/^fps: 30/m, 'fps: fast'));
    expect(await server('--config', config)).toMatchObject({
      code: 2,
      text: expect.stringContaining('fps is "fast", but must be a number from 0.1 to 1000'),
    });
  });
});

describe('start_robot_client.sh', () => {
  it('checks the server, starts the control process and the client, restarts, stops both', async () => {
    const segment = uniqueName('scripts');
    const options = await noop();
    const address = `127.0.0.1:${options.at(-1)}`;
    const example = readFileSync(resolve(SCRIPTS, '../configs/async_client_example.yaml'), 'utf8');
    const config = join(folder, 'client.yaml');
    writeFileSync(
      config,
      example
        .replace(/^camera_id:\n(?: {2}.*\n)+/m, '')
        .replace(/^pretrained_name_or_path: .*$/m, 'pretrained_name_or_path: noop'),
    );
    const args = [
      ...['--control', `--dry-run --segment ${segment}`, '--config', config],
      ...['--server_address', address, '--segment', segment, '--dry-run', '--autostart'],
    ];
    const alone = await client(...args);
    expect(alone).toMatchObject({ code: 1, text: expect.stringContaining(`${address} refuses connections`) });
    expect(pidOf('robot-client')).toBeUndefined();
    expect(pidOf('control')).toBeUndefined();

    expect(await server(...options)).toMatchObject({ code: 0 });
    const first = await client(...args);
    expect(first).toMatchObject({
      code: 0,
      text: expect.stringMatching(/robot-client runs \(process \d+\)/),
    });
    expect(first.text).toContain('control runs (process');
    // It is about to be started: that there is none yet is no news.
    expect(first.text).not.toContain('a client waits for it');
    const [pid = -1, control = -1] = [pidOf('robot-client'), pidOf('control')];
    expect([isAlive(pid), isAlive(control)], first.text + logs()).toEqual([true, true]);
    await until('it is connected', () => logs().includes(`connected to Myelin at ${address}`), 40_000);

    expect(await client(...args)).toMatchObject({ code: 1, text: expect.stringContaining('runs already') });
    const again = await client('restart');
    expect(again).toMatchObject({ code: 0 });
    expect([isAlive(pid), isAlive(control), pidOf('robot-client') === pid]).toEqual([false, false, false]);

    const second = pidOf('robot-client') ?? -1;
    process.kill(second, 'SIGKILL');
    await until('it is gone', () => !isAlive(second));
    expect(await client('status')).toMatchObject({ code: 1, text: expect.stringContaining('stale') });
    expect((await client('status')).text).toContain('control runs');
    expect(await client('stop')).toMatchObject({ code: 0, text: expect.stringContaining('control stopped') });
    expect(await client('status')).toMatchObject({ code: 3 });
    expect(await server('stop')).toMatchObject({ code: 0 });
  });

  it('names the cameras and the bus that are missing', async () => {
    const missing = await client(
      ...['check', '--server_address', `127.0.0.1:${await freePort()}`, '--camera-id', 'front=987'],
      ...['--pretrained_name_or_path', 'noop'],
    );
    expect(missing.code).toBe(1);
    expect(missing.text).toContain('/dev/video987 is not there');
    expect(missing.text).toContain('refuses connections');
    const bus = await client('--control', '--model X5 --interface can97', '--server_address', 'x:1');
    expect(bus).toMatchObject({
      code: 1,
      text: expect.stringContaining('the CAN interface can97 is not there'),
    });
    expect(await client('--control')).toMatchObject({ code: 2 });
    expect(await client()).toMatchObject({ code: 2, text: expect.stringContaining('Usage:') });
  });
});
