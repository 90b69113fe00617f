import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { ActionChunk } from '../../src/core/chunk.ts';
import type { CameraFrame, Observation } from '../../src/core/observation.ts';
import type { Policy } from '../../src/policies/policy.ts';
import { Engine } from '../../src/serving/engine/engine.ts';
import { createNoopPolicy } from '../../src/serving/engine/noop-policy.ts';
import { LeRobotPolicy } from '../../src/serving/lerobot/client.ts';
import { type LeRobotServerOptions, startLeRobotServer } from '../../src/serving/lerobot/server.ts';
import { lerobotPython, lerobotScript } from './lerobot-peer.ts';

const python = lerobotPython();

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(policy: Policy, options: Partial<LeRobotServerOptions> = {}) {
  const engine = new Engine({ policies: new Map([['noop', policy]]) });
  const server = await startLeRobotServer(engine, { port: 0, ...options });
  const close = async () => {
    await server.close();
    await engine.close();
  };
  closing.push(close);
  return { ...server, port: server.port, close };
}

interface ClientReport {
  readonly started: boolean;
  readonly executed: number;
  readonly last: readonly number[];
  readonly values: readonly number[];
  readonly latest: number;
  readonly errors: readonly string[];
}

/** Who executes more has been served again: how much more is the machine's affair. */
const CHUNK_ROWS = 20;
/** PyTorch takes long to be imported on a busy machine. */
const START_MS = 180_000;

/** LeRobot's own `RobotClient`, running for some seconds. */
function robotClient(port: number, seconds: number, options: object = {}) {
  const args = [`127.0.0.1:${port}`, String(seconds), JSON.stringify(options)];
  const started = lerobotScript('lerobot_robot_client.py', args);
  const report = started.exited.then((): ClientReport => {
    const lines = started
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'));
    if (lines.length < 2) throw new Error(started.output());
    return Object.assign({}, ...lines.map((line) => JSON.parse(line) as object)) as ClientReport;
  });
  // A test that fails before it waits for the report says itself why.
  report.catch(() => undefined);
  return { started, report };
}

/** A policy of six joints that answers what the test says. */
function sixJoints(answer: (observation: Observation) => number): Policy {
  const rows = 20;
  const noop = createNoopPolicy({ dof: 6, chunkRows: rows });
  return {
    ...noop,
    async infer(observation): Promise<ActionChunk> {
      const chunk = await noop.infer(observation);
      return { ...chunk, actions: new Float64Array(rows * 6).fill(answer(observation)) };
    },
  };
}

describe.skipIf(python === undefined)("LeRobot's own RobotClient against our server", () => {
  it('executes an action in every tick, and the steps without a gap', async () => {
    const { port } = await serve(createNoopPolicy());
    const { executed, latest, errors, started } = await robotClient(port, 3, {
      cameras: { front: [480, 640, 3], wrist: [480, 640, 3] },
    }).report;
    expect(started).toBe(true);
    expect(errors).toEqual([]);
    expect(executed).toBeGreaterThan(CHUNK_ROWS);
    // No step is left out. The stock client's queue is replaced outside its lock, so it may repeat one now and then.
    expect(executed - 1 - latest).toBeGreaterThanOrEqual(0);
    expect(executed - 1 - latest).toBeLessThanOrEqual(3);
  });

  it('is served with a threshold of nothing and twenty actions a chunk', async () => {
    const { port } = await serve(createNoopPolicy());
    const { executed, errors } = await robotClient(port, 3, { threshold: 0 }).report;
    expect([errors, executed > CHUNK_ROWS]).toEqual([[], true]);
  });

  it('sends pictures of 1920x1080 in several pieces', async () => {
    const sizes: number[] = [];
    const policy = sixJoints(({ cameras }) => {
      const { width = 0, height = 0, rgb } = cameras.get('front') ?? {};
      sizes.push(width, height, rgb?.[1_000_000] ?? 0);
      return 0;
    });
    const { port } = await serve(policy);
    const { executed, errors } = await robotClient(port, 3, { cameras: { front: [1080, 1920, 3] } }).report;
    expect([errors, executed > CHUNK_ROWS]).toEqual([[], true]);
    expect(sizes.slice(0, 3)).toEqual([1920, 1080, 100]);
  });

  it.each([
    ['two', [1, 2]],
    ['eight', [1, 2, 3, 4, 5, 6, 7, 8]],
  ])('%s stock clients at once each get their own actions', async (_, tasks) => {
    const { port } = await serve(sixJoints(({ task }) => Number(task)));
    const reports = await Promise.all(
      tasks.map(
        (task) => robotClient(port, 4, { task: String(task), cameras: { front: [240, 320, 3] } }).report,
      ),
    );
    for (const [i, { values, errors }] of reports.entries()) {
      expect(errors).toEqual([]);
      expect(values.length).toBeGreaterThan(CHUNK_ROWS);
      expect(new Set(values)).toEqual(new Set([tasks[i]]));
    }
  });

  it('goes on after one policy failure with a still robot', async () => {
    let calls = 0;
    const policy = sixJoints(() => {
      calls += 1;
      if (calls === 1) throw new Error('out of memory');
      return 0;
    });
    const { port } = await serve(policy);
    const { executed, errors } = await robotClient(port, 4, { still: true }).report;
    expect(errors.join()).toContain('out of memory');
    expect(executed).toBeGreaterThan(CHUNK_ROWS);
  });

  it('goes on when the server process was killed and started again, though it never says hello anew', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'myelin-interop-'));
    closing.push(() => rmSync(folder, { recursive: true, force: true }));
    const memoryFile = join(folder, 'memory.json');
    const first = await serve(createNoopPolicy(), { memoryFile });
    const { started, report } = robotClient(first.port, 14, { still: true });
    await started.says(/started/, START_MS);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await first.close();
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await serve(createNoopPolicy(), { memoryFile, port: first.port });
    const { executed } = await report;
    // At most 60 in two seconds before, 20 that were queued: who has more was served again.
    expect(executed).toBeGreaterThan(100);
  });

  it('is told at once, in words, when it asks for a policy that is not served', async () => {
    const { port } = await serve(createNoopPolicy());
    const { started } = robotClient(port, 1, { path: '/etc/passwd' });
    await started.says(/"started": false/, START_MS);
  });
});

const picture = (width: number, height: number): CameraFrame => ({
  name: 'front',
  width,
  height,
  rgb: new Uint8Array(width * height * 3).fill(9),
  capturedNs: 0,
  sequence: 1,
});

const observation = (timestep: number, state: number): Observation => ({
  timestep,
  timestampNs: 0,
  state: new Float64Array(6).fill(state),
  velocity: new Float64Array(6),
  cameras: new Map([['front', picture(640, 480)]]),
  task: 'stack',
});

async function stockServer(mode = '', port = 0) {
  const started = lerobotScript('lerobot_policy_server.py', [String(port), mode]);
  const line = await started.says(/listening \d+/, START_MS);
  return { started, port: Number(line.split(' ')[1]) };
}

function remote(port: number) {
  const events: string[] = [];
  const policy = new LeRobotPolicy({
    address: `127.0.0.1:${port}`,
    policyType: 'act',
    pretrainedNameOrPath: 'any',
    actionsPerChunk: 30,
    stateNames: ['a.pos', 'b.pos', 'c.pos', 'd.pos', 'e.pos', 'f.pos'],
    cameras: [{ name: 'front', width: 640, height: 480 }],
    onEvent: (text) => events.push(text),
  });
  closing.push(() => policy.close());
  return { policy, events };
}

describe.skipIf(python === undefined)("our client against LeRobot's own PolicyServer", () => {
  it('gets the actions of each observation', async () => {
    const { port } = await stockServer();
    const { policy } = remote(port);
    for (let step = 0; step < 20; step++) {
      const { actions, rows, dof, timestep } = await policy.infer(observation(step, step / 10));
      expect([rows, dof, timestep]).toEqual([30, 6, step]);
      expect(actions[0]).toBeCloseTo(step / 10, 5);
      expect(actions[6 * 29]).toBeCloseTo(step / 10 + 0.29, 5);
    }
    expect(policy.status).toMatchObject({ connected: true, extended: false, handshakes: 1 });
  });

  it('gets them although the robot stands still and the step is the same', async () => {
    const { port } = await stockServer();
    const { policy } = remote(port);
    for (let i = 0; i < 5; i++) expect((await policy.infer(observation(3, 0))).rows).toBe(30);
  });

  it('gets them from a server of one thread, also after an idle time', async () => {
    const { port } = await stockServer('one-thread');
    const { policy } = remote(port);
    for (let step = 0; step < 3; step++) {
      expect((await policy.infer(observation(step, step / 10))).timestep).toBe(step);
      // Long enough for the call that notices when an idle server goes.
      await new Promise((done) => setTimeout(done, 1200));
    }
  });

  it('gets them after the server swallowed a failure', async () => {
    const { port } = await stockServer('fail-first');
    const { policy } = remote(port);
    expect((await policy.infer(observation(0, 0))).rows).toBe(30);
  });

  it('shakes hands again with a server process that was killed and started again', async () => {
    const first = await stockServer();
    const { policy, events } = remote(first.port);
    await policy.infer(observation(0, 0));
    first.started.child.kill('SIGKILL');
    await first.started.exited;
    await expect(policy.infer(observation(1, 0))).rejects.toMatchObject({ retryable: true });
    await stockServer('', first.port);
    await expect
      .poll(
        () =>
          policy.infer(observation(2, 0)).then(
            ({ rows }) => rows,
            () => 0,
          ),
        { timeout: 20_000 },
      )
      .toBe(30);
    expect(policy.status.handshakes).toBe(2);
    expect(events.some((text) => text.includes('cannot be reached'))).toBe(true);
  });
});
