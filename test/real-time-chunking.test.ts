import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ControlState } from '../src/core/control-state.ts';
import { InferenceNode } from '../src/inference/inference-node.ts';
import { systemClock } from '../src/platform/clock.ts';
import type { CheckpointPolicy } from '../src/policies/checkpoint-policy.ts';
import { openPolicy } from '../src/policies/open-policy.ts';
import type { InferOptions, Policy, RealTimeChunk } from '../src/policies/policy.ts';
import { ArmSegment } from '../src/segment/arm-segment.ts';
import { Engine } from '../src/serving/engine/engine.ts';
import { LeRobotPolicy } from '../src/serving/lerobot/client.ts';
import { startLeRobotServer } from '../src/serving/lerobot/server.ts';
import { openOpenpiPolicy } from '../src/serving/openpi/open-openpi-policy.ts';
import { startOpenpiServer } from '../src/serving/openpi/openpi-server.ts';
import { openPi05Policy } from '../src/serving/pi05/pi05-policy.ts';
import { startPi05Server } from '../src/serving/pi05/pi05-server.ts';
import { type Config, observe, piCheckpoint, type Reference, read } from './support/pi-checkpoints.ts';
import { uniqueName, until } from './support/processes.ts';

/** A pi0.5 checkpoint that was trained to continue chunks; asked over each protocol, and by the inference node. */

const NAME = 'pi05-real-time-chunks';
const DOF = 7;
const ROWS = 6;
const TRAINED_DELAY = 3;
const { seed } = read<Reference>(NAME, 'reference.json');
const config = read<Config>(NAME, 'config.json');
const see = (step: number) => observe(seed, config, { task: 'sort', step, expected: {} });

const root = mkdtempSync(join(tmpdir(), 'myelin-rtc-'));
let checkpoint: CheckpointPolicy;
let engine: Engine;
beforeAll(async () => {
  const folder = await piCheckpoint(root, NAME);
  checkpoint = await openPolicy(folder, { stepPeriodS: 0.2 });
  engine = new Engine({ policies: new Map([['rtc', checkpoint]]) });
});
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true, force: true });
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

type Ask = (step: number, options: InferOptions) => Promise<Float64Array>;

const WAYS: Readonly<Record<string, () => Promise<Ask>>> = {
  'in this process': async () => asking(checkpoint),

  "over LeRobot's gRPC": async () => {
    const server = await startLeRobotServer(engine, { port: 0 });
    closing.push(() => server.close());
    const policy = new LeRobotPolicy({
      address: `127.0.0.1:${server.port}`,
      policyType: 'pi05',
      pretrainedNameOrPath: 'rtc',
      actionsPerChunk: ROWS,
      stateNames: Array.from({ length: DOF }, (_, i) => `j${i}.pos`),
      cameras: [...see(0).cameras.values()].map(({ name, width, height }) => ({ name, width, height })),
      heartbeatMs: 0,
    });
    closing.push(() => policy.close());
    await policy.connect();
    expect(policy.spec.realTime).toEqual(checkpoint.spec.realTime);
    return asking(policy);
  },

  'over openpi': async () => {
    const server = await startOpenpiServer(engine, { port: 0 });
    closing.push(() => server.close());
    const policy = await openOpenpiPolicy({ url: `ws://127.0.0.1:${server.port}` });
    closing.push(() => policy.close());
    expect(policy.spec.realTime).toEqual(checkpoint.spec.realTime);
    return asking(policy);
  },

  'over pi0.5': async () => {
    const server = await startPi05Server(engine, { port: 0 });
    closing.push(() => server.close());
    const policy = await openPi05Policy({ url: `ws://127.0.0.1:${server.port}` });
    closing.push(() => policy.close());
    expect(policy.spec.realTime).toEqual(checkpoint.spec.realTime);
    return asking(policy);
  },
};

const asking =
  (policy: Policy): Ask =>
  async (step, options) =>
    (await policy.infer(see(step), options)).actions;

const rowsOf = (actions: Float64Array, from: number, to: number) =>
  actions.subarray(from * DOF, Math.min(to * DOF, actions.length));
const apart = (a: Float64Array, b: Float64Array): number =>
  a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] ?? Number.NaN))), 0);

describe('a chunk that continues the one that runs', () => {
  for (const [way, open] of Object.entries(WAYS)) {
    it(`begins with the rows that are executed meanwhile, and does not without being asked to: ${way}`, async () => {
      const ask = await open();
      const running = await ask(0, { seed: 1 });
      // Two rows of six have been executed; two more will be before the next chunk comes.
      const left = rowsOf(running, 2, ROWS);
      const request = (mode: RealTimeChunk['mode']): RealTimeChunk => ({
        ...{ previous: left.slice(), rows: ROWS - 2, delaySteps: 2, executionHorizon: 4, mode },
      });
      const frozen = (actions: Float64Array) => apart(rowsOf(actions, 0, 2), left.subarray(0, 2 * DOF));

      const alone = await ask(1, { seed: 2 });
      const trained = await ask(1, { seed: 2, realTimeChunk: request('trained') });
      const guided = await ask(1, { seed: 2, realTimeChunk: request('guided') });
      expect(frozen(alone)).toBeGreaterThan(0.1);
      expect(frozen(trained)).toBeLessThan(1e-5);
      expect(frozen(guided)).toBeLessThan(frozen(alone) / 2);
      // Behind them it is a chunk of its own.
      expect(apart(left.subarray(2 * DOF), rowsOf(trained, 2, ROWS))).toBeGreaterThan(0.05);
    });
  }

  it('goes by schedule and hardest pull, of the request or of the checkpoint', async () => {
    const left = rowsOf(await asking(checkpoint)(0, { seed: 1 }), 2, ROWS).slice();
    const request = { previous: left, rows: 4, delaySteps: 1, executionHorizon: 4, mode: 'guided' } as const;
    const ask = (more: Partial<RealTimeChunk>) =>
      asking(checkpoint)(1, { seed: 2, realTimeChunk: { ...request, ...more } });
    const far = async (more: Partial<RealTimeChunk>) =>
      apart(rowsOf(await ask(more), 0, 4), left.subarray(0, 4 * DOF));
    const [ones, linear, zeros, weak] = [
      await far({ schedule: 'ones' }),
      await far({}),
      await far({ schedule: 'zeros' }),
      await far({ maxGuidance: 0.01 }),
    ];
    expect(ones).toBeLessThan(linear);
    expect(linear).toBeLessThan(zeros);
    expect(ones).toBeLessThan(weak);
    expect(await ask({})).toEqual(await ask({ schedule: 'linear', maxGuidance: 10 }));
  });
});

describe('the inference node with --rtc', () => {
  /** What the node asked for and got, from a checkpoint on an arm that stays where it is. */
  async function watch(realTime: object | undefined, chunks: number) {
    const name = uniqueName('rtc');
    const segment = ArmSegment.create(name, { dof: DOF, model: 'X5', interfaceName: 'test' });
    closing.push(() => {
      segment.unlink();
      segment.close();
    });
    segment.fields.controlState = ControlState.RUNNING;
    segment.beginState();
    segment.endState();
    const answers: { asked: RealTimeChunk | undefined; actions: Float64Array }[] = [];
    const events: string[] = [];
    const own = checkpoint.fork();
    const policy: Policy = {
      spec: { ...own.spec, cameras: [] },
      infer: async (observation, options = {}) => {
        const step = answers.length;
        const chunk = await own.infer(
          { ...observation, cameras: see(step).cameras },
          { ...options, seed: step },
        );
        answers.push({ asked: options.realTimeChunk, actions: chunk.actions.slice() });
        return chunk;
      },
      reset: () => own.reset(),
      close: async () => undefined,
    };
    const node = new InferenceNode({
      ...{ policy, segment: name, cameras: [], clock: systemClock, task: 'sort' },
      ...(realTime === undefined ? {} : { realTime }),
      onEvent: (text) => events.push(text),
    });
    closing.push(() => node.close());
    node.start();
    await until(`${chunks} chunks came`, () => answers.length >= chunks, 40_000);
    return { answers, events };
  }

  it('hands over what is left of the plan and the delay, and gets a chunk that continues it', async () => {
    const { answers, events } = await watch({}, 4);
    expect(answers[0]?.asked).toBeUndefined();
    const later = answers.slice(1).filter(({ asked }) => asked !== undefined);
    expect(later.length, events.join('\n')).toBeGreaterThan(0);
    for (const { asked, actions } of later) {
      const { previous, delaySteps, mode } = asked as RealTimeChunk;
      expect(mode).toBe('trained');
      expect(delaySteps).toBeGreaterThan(0);
      expect(delaySteps).toBeLessThanOrEqual(TRAINED_DELAY);
      const frozen = delaySteps * DOF;
      expect(apart(actions.subarray(0, frozen), previous.subarray(0, frozen))).toBeLessThan(1e-5);
    }
  });

  it('asks for no such thing without the flag', async () => {
    const { answers } = await watch(undefined, 3);
    expect(answers.every(({ asked }) => asked === undefined)).toBe(true);
  });
});
