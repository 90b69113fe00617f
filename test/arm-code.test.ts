import { execFile, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { proveMotion } from '../src/cli/self-test/motion-faults.ts';
import { SimulatedArm } from '../src/cli/self-test/simulated-arm.ts';
import { HoldReason } from '../src/control/limit-bits.ts';
import { Trace } from '../src/control/trace-reader.ts';
import { monotonicNs, unixS } from '../src/platform/clock.ts';
import type { Reply } from '../src/remote/protocol/ipc.ts';
import { CameraWriter } from '../src/segment/camera-ring.ts';
import { Lease } from '../src/segment/lease.ts';
import { uniqueName } from './support/processes.ts';
import { WorkerRun } from './support/worker-run.ts';

const run = promisify(execFile);
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
const python = has('python3');
const compiler = has('g++') && has('make');
const shells = spawnSync('bwrap', ['--unshare-user', '--ro-bind', '/', '/', 'true']).status === 0;
if (!python) console.log('arm-code: the Python example is skipped, there is no python3 on this machine');
if (!compiler) console.log('arm-code: the C++ example is skipped, there is no g++ and make on this machine');
if (!shells) console.log('arm-code: bubblewrap does not work here, projects run without it');

/** Shorter on metal; here a busy machine must not be taken for a project that hangs. */
const COMMAND_TIMEOUT_S = 0.5;
const FINGERS = 6;

/** Moves by one chunk from a thread that hangs right afterwards. */
const HANGS = `
import math, threading, myelin

def go():
    threading.Thread(target=_go, daemon=True).start()

def _go():
    arm = myelin.connect(idle_s=4)
    arm.start()
    rest = arm.state.commanded_position
    arm.send_chunk([(rest[0] + 0.2 * math.sin(k / 40 * math.pi / 2),) + rest[1:] for k in range(41)], 0.02)
    threading.Event().wait()
`;

/** The process that runs user code: the innermost of those that the sandbox makes of one project. */
function innermost(pid: number): number {
  const child = readdirSync('/proc').find((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const status = readFileSync(`/proc/${name}/stat`, 'latin1');
      return status.slice(status.lastIndexOf(')') + 2).split(' ')[1] === String(pid);
    } catch {
      return false; // It has ended since it was listed.
    }
  });
  return child === undefined ? pid : innermost(Number(child));
}

/** Largest distance between two commanded positions of a joint. */
function reach(path: string, joint: number): number {
  const positions = Trace.open(path).column(`commandedPosition${joint}`);
  return Math.max(...positions) - Math.min(...positions);
}

/** Builds the example as its Makefile does, but quickly, and giving way to the arm that moves meanwhile. */
async function compile(folder: string): Promise<void> {
  cpSync('examples/projects/cpp-gripper', folder, { recursive: true });
  await run('nice', ['make', '-s', `INCLUDE=-I${resolve('cpp')}`, 'CXXFLAGS=-O0'], { cwd: folder });
}

describe('the arm from user code', () => {
  const folder = mkdtempSync(join(tmpdir(), 'myelin-arm-code-'));
  const camera = uniqueName('eye');
  let arm: SimulatedArm;
  let worker: WorkerRun;
  let ring: CameraWriter;
  let compiled: Promise<void> = Promise.resolve();

  beforeAll(async () => {
    const simulated = SimulatedArm.start({
      control: ['--feedback-timeout', '0.5', '--command-timeout', String(COMMAND_TIMEOUT_S)],
    });
    ring = CameraWriter.create(camera, { width: 8, height: 4, frequencyHz: 30 });
    ring.frame.fill(77);
    ring.publish(monotonicNs(), unixS());
    if (compiler) compiled = compile(join(folder, 'cpp'));
    compiled.catch(() => undefined); // The test that needs it tells.
    arm = await simulated;
    const workerFolder = mkdtempSync(join(folder, 'worker-'));
    worker = await WorkerRun.start(workerFolder, ['--segment', arm.name]);
  });
  afterAll(async () => {
    await worker?.close();
    await arm?.close();
    ring?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Uploads an example and has it run from now on, with the arm. */
  const runExample = async (project: string, language: string, from: string): Promise<void> => {
    const answer = await worker.update(project, resolve(from));
    expect(answer, JSON.stringify(answer)).toMatchObject({ status: 'success', data: { project, language } });
  };
  const holder = () => Lease.holder(arm.segment, monotonicNs());
  const speed = (): number => {
    const { commandedVelocity, dof } = arm.read();
    return Math.max(...Array.from(commandedVelocity.subarray(0, dof), Math.abs));
  };
  const moves = () => arm.until('the arm moves', () => speed() > 0.1);
  const pidOf = async (): Promise<number> =>
    (await worker.status()).instances.find(({ holdsArm }) => holdsArm)?.pid ?? -1;
  const expectSuccess = (answer: Reply, data: unknown) =>
    expect(answer, JSON.stringify(answer)).toMatchObject({ status: 'success', data });

  it.skipIf(!python)('waves in Python, as commander "project NAME", and sees through a camera', async () => {
    await runExample('wave', 'python', 'examples/projects/python-wave');
    const waving = worker.call('robot', 'wave', { times: 1 });
    await moves();
    expect(holder()).toMatchObject({ name: 'project wave', pid: await pidOf() });
    expect(arm.segment.fields.holdTimeoutS).toBe(COMMAND_TIMEOUT_S);
    expectSuccess(await waving, { waved: 1 });
    expect(reach(arm.tracePath, 0)).toBeCloseTo(0.7, 1);
    expect(holder()).toBeUndefined();
    const seen = { width: 8, height: 4, brightness: 77 };
    expectSuccess(await worker.call('robot', 'look', { camera }), seen);
  });

  it.skipIf(!python)(
    'is calmed and given back when the client goes, without a word to the project',
    async () => {
      const waving = worker.call('robot', 'wave', { times: 5 });
      await moves();
      await worker.ask({ command: 'disconnect' });
      expect(await waving).toMatchObject({ status: 'error', data: { type: 'Interrupted' } });
      await arm.until('the arm is at rest', () => speed() === 0);
      expect(holder()).toBeUndefined();
    },
  );

  it.skipIf(!python)(
    'holds when the project is killed in the middle of a motion, and its lease goes',
    async () => {
      const waving = worker.call('robot', 'wave', { times: 5 });
      await moves();
      const pid = innermost(await pidOf());
      const { tick } = arm.read();
      process.kill(pid, 'SIGKILL');
      expect(await waving).toMatchObject({ status: 'error', code: 'PROJECT_CRASHED' });
      await arm.until('the lease is free', () => arm.segment.fields.leaseOwner === 0);
      await arm.untilState('PAUSED');
      await arm.until('the arm is at rest', () => speed() === 0);
      const seconds = ((arm.read().tick - tick) * Trace.open(arm.tracePath).description.periodNs) / 1e9;
      expect(seconds).toBeLessThan(COMMAND_TIMEOUT_S + 1.5);
    },
  );

  it.skipIf(!python)(
    'rests on its last row when a thread of the project hangs, and is given back after idle_s',
    async () => {
      const hanging = join(folder, 'hanging');
      mkdirSync(hanging);
      writeFileSync(join(hanging, 'main.py'), HANGS);
      await runExample('hanging', 'python', hanging);
      expectSuccess(await worker.call(null, 'go'), null);
      await moves();
      await arm.until('the arm holds', () => arm.read().holdReason === HoldReason.NO_FRESH_ACTION);
      await arm.until('the arm is at rest', () => speed() === 0);
      expect(holder()).toMatchObject({ name: 'project hanging' });
      const rest = Array.from(arm.read().commandedPosition);
      await arm.until('the lease is free', () => arm.segment.fields.leaseOwner === 0);
      await arm.untilState('PAUSED');
      expect(Array.from(arm.read().commandedPosition)).toEqual(rest);
    },
  );

  it('draws a square in JavaScript, and holds by itself when the project hangs', async () => {
    await runExample('square', 'javascript', 'examples/projects/javascript-square');
    const before = reach(arm.tracePath, 4);
    expectSuccess(await worker.call('robot', 'square', { sideRad: 0.3 }), { corners: 4 });
    expect(reach(arm.tracePath, 4) - before).toBeGreaterThan(0.29);
    expect(holder()).toBeUndefined();

    const hanging = worker.call('robot', 'square');
    await moves();
    const pid = innermost(await pidOf());
    process.kill(pid, 'SIGSTOP');
    await arm.until('the arm holds', () => arm.read().holdReason === HoldReason.NO_FRESH_ACTION);
    await arm.until('the arm is at rest', () => speed() === 0);
    await arm.until('the lease has lapsed', () => holder() === undefined);
    process.kill(pid, 'SIGKILL');
    expect(await hanging).toMatchObject({ status: 'error', code: 'PROJECT_CRASHED' });
  });

  it.skipIf(!compiler)('opens and closes the gripper in C++', async () => {
    await compiled;
    await runExample('pinch', 'cpp', join(folder, 'cpp'));
    const pinching = worker.call('robot', 'pinch', { times: 1 });
    await moves();
    expect(holder()).toMatchObject({ name: 'project pinch', pid: await pidOf() });
    const answer = await pinching;
    expectSuccess(answer, { pinched: 1 });
    expect((answer.data as { opening: number }).opening).toBeCloseTo(0.0792, 2);
    expect(reach(arm.tracePath, FINGERS)).toBeGreaterThan(0.06);
    expect(holder()).toBeUndefined();
  });

  it('never broke a limit, whatever became of the project', () => {
    expect(proveMotion(arm.tracePath).faults).toEqual([]);
  });
});
