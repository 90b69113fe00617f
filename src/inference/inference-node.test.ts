import { afterEach, describe, expect, it } from 'vitest';
import type { ActionChunk } from '../core/chunk.ts';
import { ControlState, Request } from '../core/control-state.ts';
import type { Observation } from '../core/observation.ts';
import { monotonicNs, systemClock } from '../platform/clock.ts';
import type { Policy, RealTimeChunk, RealTimeSupport } from '../policies/policy.ts';
import { SubtaskTracker } from '../policies/subtask/tracker.ts';
import { ArmSegment } from '../segment/arm-segment.ts';
import { CameraWriter } from '../segment/camera-ring.ts';
import { ChunkReader, createReceivedChunk } from '../segment/chunk-exchange.ts';
import { Lease } from '../segment/lease.ts';
import { InferenceNode, type InferenceNodeOptions } from './inference-node.ts';

let count = 0;
const uniqueName = () => `infertest_${process.pid}_${++count}`;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

/** The segment of an arm, as its control process would make it, in the state the test wants. */
function arm(state: number = ControlState.RUNNING, name = uniqueName()) {
  const segment = ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'test' });
  segment.fields.controlState = state;
  segment.beginState();
  segment.fields.position.fill(0.5);
  segment.endState();
  const close = () => {
    segment.unlink();
    segment.close();
  };
  cleanups.push(close);
  return { name, segment, close, fields: segment.fields };
}

type Answer = (observation: Observation) => ActionChunk | Promise<ActionChunk>;

/** A policy that is a function; a chunk of 20 rows that all say "stay" unless the test has another idea. */
function policyOf(answer: Answer, cameras: readonly string[] = []) {
  const seen: Observation[] = [];
  let resets = 0;
  const policy: Policy = {
    spec: {
      name: 'test policy',
      cameras: cameras.map((name) => ({ name })),
      stateNames: Array(7).fill('joint'),
      actionNames: Array(7).fill('joint'),
      chunkRows: 20,
      actionSteps: 20,
      stepPeriodS: 0.02,
      subtasks: false,
    },
    infer: async (observation) => {
      seen.push(observation);
      return answer(observation);
    },
    reset: () => {
      resets += 1;
    },
    close: async () => undefined,
  };
  return { policy, seen, resets: () => resets };
}

const stay: Answer = (observation) => ({
  actions: new Float64Array(140).fill(observation.state[0] ?? 0),
  rows: 20,
  dof: 7,
  stepPeriodS: 0.02,
  timestep: observation.timestep,
  observedNs: observation.timestampNs,
});

function nodeFor(segment: string, policy: Policy, more: Partial<InferenceNodeOptions> = {}) {
  const events: string[] = [];
  const node = new InferenceNode({
    policy,
    segment,
    cameras: [],
    clock: systemClock,
    onEvent: (text) => events.push(text),
    ...more,
  });
  cleanups.push(() => node.close());
  return { node, events };
}

describe('the inference node', () => {
  it('takes the lease, gives heartbeats and publishes chunks while the arm runs', async () => {
    const { name, segment, fields } = arm();
    const reader = new ChunkReader(segment);
    const { policy, seen } = policyOf(stay);
    const { node } = nodeFor(name, policy, { task: 'sort the cubes' });
    node.start();
    const out = createReceivedChunk();
    await until(() => reader.poll(out));
    expect([out.rows, out.dof, out.actions[0], out.source]).toEqual([20, 7, 0.5, process.pid]);
    expect(Math.abs(out.startNs - monotonicNs())).toBeLessThan(5e9);
    expect([fields.policyName, fields.task, fields.leaseOwner]).toEqual([
      'test policy',
      'sort the cubes',
      process.pid,
    ]);
    expect(seen[0]?.task).toBe('sort the cubes');
    const beat = fields.leaseHeartbeatNs;
    await until(() => fields.leaseHeartbeatNs > beat);
  });

  it('asks for the next chunk only when the plan has run down to the threshold', async () => {
    const { name } = arm();
    const { policy, seen } = policyOf(stay);
    const { node } = nodeFor(name, policy, { chunkSizeThreshold: 0.25, inferenceHz: 1000 });
    node.start();
    await until(() => seen.length >= 3);
    const [first, second, third] = seen.map(({ timestep }) => timestep);
    expect(second! - first!).toBeGreaterThanOrEqual(14);
    expect(third! - second!).toBeGreaterThanOrEqual(14);
  });

  it('asks for a subtask first, acts on it, and says so when one is not fit', async () => {
    const { name } = arm();
    const { policy, seen } = policyOf(stay);
    const answers = ['take the red cube', '<loc0007>'];
    const told: (string | undefined)[] = [];
    const subtasks = new SubtaskTracker({
      policy: { generateSubtask: () => Promise.resolve({ text: answers.shift() ?? '', tokens: [5] }) },
      options: { maxDecodingSteps: 25, temperature: 0 },
      refreshMs: 0,
      now: () => performance.now(),
    });
    const asked: Policy = {
      ...policy,
      infer: (observation, options) => {
        told.push(options?.subtask?.text);
        return policy.infer(observation, options);
      },
    };
    const { node, events } = nodeFor(name, asked, { subtasks, inferenceHz: 1000, chunkSizeThreshold: 1 });
    node.start();
    await until(() => seen.length >= 2);
    expect(told.slice(0, 2)).toEqual(['take the red cube', 'take the red cube']);
    expect(events).toContain('subtask: take the red cube');
    expect(events).toContain('the subtask "<loc0007>" is not acted on: it holds the token <loc0007>');
    expect(node.status.subtask).toBe('take the red cube');
  });

  it('shows a policy that looks back every step once, while actions last too', async () => {
    const { name } = arm();
    const { policy, seen } = policyOf(stay);
    const shown: number[] = [];
    const observe = ({ timestep }: Observation) => {
      shown.push(timestep);
      if (shown.length === 2) throw new Error('it does not fit');
    };
    const { node } = nodeFor(name, { ...policy, observe }, { chunkSizeThreshold: 0.25 });
    node.start();
    await until(() => seen.length >= 2);
    expect(shown.length).toBeGreaterThan(seen.length);
    expect(shown.every((timestep, i) => i === 0 || timestep > (shown[i - 1] as number))).toBe(true);
    expect(node.status.failures).toBe(0);
  });

  it('makes no actions before START, and forgets its plan when the arm is paused', async () => {
    const { name, segment, fields } = arm(ControlState.IDLE);
    const { policy, seen, resets } = policyOf(stay);
    const { node } = nodeFor(name, policy);
    node.start();
    await until(() => node.status.attached);
    node.toggle();
    expect(segment.takeRequests()).toBe(Request.START);
    expect(seen).toHaveLength(0);
    fields.controlState = ControlState.RUNNING;
    await until(() => node.status.queueDepth > 0);
    node.toggle();
    expect(segment.takeRequests()).toBe(Request.PAUSE);
    fields.controlState = ControlState.PAUSED;
    await until(() => node.status.queueDepth === 0);
    expect(resets()).toBe(1);
  });

  it('keeps its heartbeat while the policy thinks, and counts, tells and survives its failures', async () => {
    const { name, fields } = arm();
    let finish: () => void = () => undefined;
    const thinking = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { policy, seen } = policyOf(async (observation) => {
      if (seen.length === 1) await thinking;
      if (seen.length === 2) throw new Error('out of memory');
      return stay(observation);
    });
    const { node, events } = nodeFor(name, policy, { chunkSizeThreshold: 1, inferenceHz: 1000 });
    node.start();
    await until(() => seen.length === 1);
    const beat = fields.leaseHeartbeatNs;
    await until(() => fields.leaseHeartbeatNs > beat + 50e6);
    finish();
    await until(() => seen.length >= 3);
    expect(node.status.failures).toBe(1);
    expect(events.find((text) => text.includes('out of memory'))).toContain('the arm holds');
  });

  it('has the policy continue the plan that runs, and executes its chunk behind what has begun', async () => {
    const { name, segment } = arm();
    const reader = new ChunkReader(segment);
    const { policy, seen } = policyOf((observation) => ({
      ...(stay(observation) as ActionChunk),
      // Every chunk wants to be elsewhere.
      actions: new Float64Array(140).fill(seen.length),
    }));
    const asked: (RealTimeChunk | undefined)[] = [];
    const realTime: RealTimeSupport = {
      ...{ mode: 'guided', trainedDelay: 0, executionHorizon: 8, schedule: 'linear', maxGuidance: 10 },
    };
    const continues: Policy = {
      ...policy,
      spec: { ...policy.spec, realTime },
      infer: (observation, options) => {
        asked.push(options?.realTimeChunk);
        return policy.infer(observation, options);
      },
    };
    const { node } = nodeFor(name, continues, { realTime: {}, inferenceHz: 1000 });
    const out = createReceivedChunk();
    node.start();
    await until(() => asked.length >= 2);
    expect(asked[0]).toBeUndefined();
    expect(asked[1]).toMatchObject({ mode: 'guided', rows: 8 });
    // All that is left is of the first chunk: nothing was mixed.
    expect([...(asked[1] as RealTimeChunk).previous]).toEqual(Array(56).fill(1));
    await until(() => {
      reader.poll(out);
      return out.actions[7] === 2;
    });
    expect(out.actions[0]).toBe(1);
  });

  it('sends an arm home that gets no actions for long, once it has moved', async () => {
    const { name, segment } = arm();
    const { policy, seen } = policyOf(async (observation) => {
      if (seen.length > 1) throw new Error('the server is gone');
      return stay(observation);
    });
    const { node, events } = nodeFor(name, policy, { starvation: { homeAfterS: 0.1 } });
    node.start();
    await until(() => events.some((text) => text.includes('the arm goes home')));
    expect(segment.takeRequests()).toBe(Request.RESET);
    expect(events.some((text) => text.includes('out of actions'))).toBe(true);
  });

  it('waits for cameras that are missing or stale, and says so once', async () => {
    const ring = uniqueName();
    const { name } = arm();
    const { policy, seen } = policyOf(stay, ['front']);
    const { node, events } = nodeFor(name, policy, { cameras: [{ camera: 'front', ring }] });
    node.start();
    await until(() => events.some((text) => text.includes('camera front')));
    expect(seen).toHaveLength(0);
    const writer = CameraWriter.create(ring, { width: 4, height: 2, frequencyHz: 30 });
    cleanups.push(() => writer.close());
    writer.frame.fill(7);
    writer.publish(monotonicNs() - 10e9, 1);
    await until(() => events.some((text) => text.includes('ms old')));
    expect(seen).toHaveLength(0);
    writer.frame.fill(9);
    writer.publish(monotonicNs(), 2);
    await until(() => seen.length > 0);
    expect(seen[0]?.cameras.get('front')?.rgb[0]).toBe(9);
    expect(events.filter((text) => text.includes('ms old'))).toHaveLength(1);
  });

  it('says who commands when the lease is held, and takes it when it becomes free', async () => {
    const { name, segment, fields } = arm();
    const lease = Lease.acquire(segment, 'somebody else', monotonicNs());
    fields.leaseOwner = process.ppid;
    const { node, events } = nodeFor(name, policyOf(stay).policy);
    node.start();
    await until(() => events.length > 0);
    expect(events[0]).toContain('somebody else');
    expect(node.status.attached).toBe(false);
    lease.release();
    fields.leaseOwner = 0;
    await until(() => node.status.attached);
  });

  it('goes on with a control process that was restarted', async () => {
    const first = arm();
    const { policy, seen } = policyOf(stay);
    const { node } = nodeFor(first.name, policy);
    node.start();
    await until(() => seen.length > 0);
    first.close();
    const before = seen.length;
    const second = arm(ControlState.RUNNING, first.name);
    await until(() => second.fields.leaseOwner === process.pid);
    await until(() => seen.length > before);
    expect(node.status.attached).toBe(true);
  });
});
