import { describe, expect, it } from 'vitest';
import { ActionPlan } from '../../core/action-plan.ts';
import { AGGREGATE_WEIGHTS, aggregate } from '../../core/aggregation.ts';
import type { ActionChunk } from '../../core/chunk.ts';
import { chunkDue } from '../../core/chunk-due.ts';
import type { PolicySpec } from '../../policies/policy.ts';
import { makeBatch, unitLevels, writeChannels } from '../../policies/processors/batch.ts';
import { Admission, statesSimilar } from './admission.ts';
import { CODECS } from './codec.ts';
import { FrameRate } from './frame-rate.ts';
import type { LeRobotFeature, ObservationValue, TimedObservation } from './messages.ts';
import { ObservationPlan } from './observation-plan.ts';
import { resizePicture } from './resize.ts';
import { timedActions } from './robot-session.ts';
import { robotConfig } from './testing.ts';

/**
 * What LeRobot's own tests of asynchronous inference (`tests/async_inference`, `tests/transport`) assert, by their
 * names. The rest of them stands in transfer.test.ts, server.test.ts and test/interop/lerobot-async.test.ts.
 * Its latency tracker, queue and weights of real-time chunking (`tests/policies/rtc`) are elsewhere; its table of robot
 * types has no like here: arms are ARX X5 and SO-101.
 */

const state = (value: number, length = 6) => new Float64Array(length).fill(value);
const candidate = (value: number, timestep = 0, mustGo = false) => ({
  timestep,
  mustGo,
  state: state(value),
  task: '',
});
const SECOND = 1e9;

describe('test_helpers.py', () => {
  it('FPS tracker: first call, two a second apart, five over two seconds, irregular', () => {
    const rates = (times: readonly number[]) => {
      const rate = new FrameRate();
      return times.map((time) => rate.add(time)).at(-1);
    };
    expect(rates([100])).toBe(0);
    expect(rates([100, 101])).toBeCloseTo(1);
    expect(rates([100, 100.5, 101, 101.5, 102])).toBeCloseTo(2);
    expect(rates([100, 100.2, 101.5, 102, 103])).toBeCloseTo(4 / 3);
  });

  it('TimedAction and TimedObservation keep what they hold over pickling, torch tensors too', () => {
    const tensor: ObservationValue = {
      type: 'F32',
      shape: [2],
      bytes: new Uint8Array(Float32Array.of(1, 2).buffer),
    };
    const observation: TimedObservation = {
      timestampS: 12.5,
      timestep: 3,
      mustGo: true,
      values: new Map<string, ObservationValue>([
        ['joint1', 0.5],
        ['tensor', tensor],
      ]),
    };
    const { pickle } = CODECS;
    const read = pickle.readObservation(pickle.writeObservation(observation));
    expect([read.timestampS, read.timestep, read.mustGo, [...read.values.keys()]]).toEqual([
      12.5,
      3,
      true,
      ['joint1', 'tensor'],
    ]);
    const { bytes, ...kept } = read.values.get('tensor') as typeof tensor & { bytes: Uint8Array };
    expect([read.values.get('joint1'), kept, [...bytes]]).toEqual([
      0.5,
      { type: 'F32', shape: [2] },
      [...new Uint8Array(Float32Array.of(1, 2).buffer)],
    ]);
    const actions = {
      actions: Float32Array.of(1, 2, 3, 4),
      dof: 2,
      rows: [
        { timestampS: 12.5, timestep: 3 },
        { timestampS: 12.75, timestep: 4 },
      ],
    };
    expect(pickle.readActions(pickle.writeActions(actions))).toEqual(actions);
  });

  it('observations_similar: four joints by 0.5 are within 2, by 2.0 are not', () => {
    expect(statesSimilar(state(0, 4), state(0.5, 4), 2)).toBe(true);
    expect(statesSimilar(state(0, 4), state(2, 4), 2)).toBe(false);
  });

  it('resize_robot_observation_image: 480x640 becomes 224x224, levels from 0 to 255', () => {
    const rgb = Uint8Array.from({ length: 480 * 640 * 3 }, (_, i) => (i * 31) % 256);
    const {
      width,
      height,
      rgb: small,
    } = resizePicture({ width: 640, height: 480, rgb }, { width: 224, height: 224 });
    expect([width, height, small.length]).toEqual([224, 224, 224 * 224 * 3]);
  });

  it('prepare_image: bytes become floats from 0 to 1, colour by colour', () => {
    const frame = {
      name: 'a',
      width: 2,
      height: 1,
      rgb: Uint8Array.of(255, 0, 51, 0, 255, 0),
      capturedNs: 0,
      sequence: 1,
    };
    const out = new Float32Array(6);
    writeChannels({ frame, levels: unitLevels() }, out);
    expect([...out].map((value) => Number(value.toFixed(4)))).toEqual([1, 0, 0, 1, 0.2, 0]);
    expect(makeBatch({ task: 'pick' }).task).toBe('pick');
  });

  it('raw_observation_to_observation: each camera in its own size, the task as text, the same each time, bright stays bright', () => {
    const image = (height: number, width: number): LeRobotFeature => ({
      dtype: 'image',
      shape: [height, width, 3],
      names: [],
    });
    const features = new Map<string, LeRobotFeature>([
      ['observation.state', { dtype: 'float32', shape: [4], names: ['a', 'b', 'c', 'd'] }],
      ['observation.images.laptop', image(480, 640)],
      ['observation.images.phone', image(480, 640)],
    ]);
    const spec: PolicySpec = {
      name: 'p',
      cameras: [
        { name: 'laptop', width: 256, height: 256 },
        { name: 'phone', width: 160, height: 120 },
      ],
      stateNames: ['a', 'b', 'c', 'd'],
      actionNames: ['a', 'b', 'c', 'd'],
      chunkRows: 1,
      actionSteps: 1,
      subtasks: false,
    };
    const bright = new Uint8Array(480 * 640 * 3).fill(10);
    for (let y = 180; y < 300; y++) bright.fill(250, (y * 640 + 240) * 3, (y * 640 + 400) * 3);
    const picture: ObservationValue = { type: 'U8', shape: [480, 640, 3], bytes: bright };
    const timed: TimedObservation = {
      timestampS: 0,
      timestep: 0,
      mustGo: true,
      values: new Map<string, ObservationValue>([
        ...['a', 'b', 'c', 'd'].map((key, i): [string, ObservationValue] => [key, i]),
        ['laptop', picture],
        ['phone', picture],
        ['task', 'pick it up'],
      ]),
    };
    const plan = new ObservationPlan(robotConfig({ features }), spec);
    const observe = () => plan.observe(timed, plan.state(timed), 0);
    const { cameras, state: found, task } = observe();
    expect([[...found], task]).toEqual([[0, 1, 2, 3], 'pick it up']);
    const [laptop, phone] = [cameras.get('laptop')!, cameras.get('phone')!];
    expect([laptop.width, laptop.height, phone.width, phone.height]).toEqual([256, 256, 160, 120]);
    for (const { rgb, width, height } of [laptop, phone])
      expect(rgb[3 * ((height / 2) * width + width / 2)]).toBeGreaterThan(rgb[0]! + 100);
    expect(observe().cameras.get('phone')!.rgb).toEqual(phone.rgb);
  });
});

describe('test_policy_server.py', () => {
  const chunk = (rows: number): ActionChunk => ({
    actions: new Float64Array(rows * 6),
    rows,
    dof: 6,
    stepPeriodS: 1 / 30,
    timestep: 0,
    observedNs: 0,
  });

  it('test_time_action_chunk and test_predict_action_chunk: steps and times count on from the observation', () => {
    for (const [first, rows] of [
      [10, 3],
      [5, 20],
    ] as const) {
      const timed = timedActions(chunk(rows), rows, { timestampS: 1000, timestep: first }, 1 / 30);
      expect(timed.rows.map(({ timestep }) => timestep)).toEqual(
        Array.from({ length: rows }, (_, i) => first + i),
      );
      for (const [i, { timestampS }] of timed.rows.entries())
        expect(timestampS).toBeCloseTo(1000 + i / 30, 6);
    }
  });

  it('test_maybe_enqueue_observation: must_go always, dissimilar yes, similar no', () => {
    const admission = new Admission({ similarity: 0.01 });
    expect(admission.refusal(candidate(0, 0, true), 0)).toBeUndefined();
    admission.answered(candidate(0, 0), 700, 0);
    expect(admission.refusal(candidate(0, 0, true), 1)).toBeUndefined();
    expect(admission.refusal(candidate(5, 1), 1)).toBeUndefined();
    expect(admission.refusal(candidate(1e-4, 1), 1)).toBe('similar to the last one');
  });

  it('test_obs_sanity_checks: a predicted step no, similar no, new and dissimilar yes', () => {
    const admission = new Admission({ similarity: 0.01 });
    admission.answered(candidate(0, 1), 700, 0);
    expect(admission.refusal(candidate(1, 1), 1)).toBe('answered already');
    expect(admission.refusal(candidate(1e-4, 2), 1)).toBe('similar to the last one');
    expect(admission.refusal(candidate(5, 3), 1)).toBeUndefined();
  });
});

describe('test_robot_client.py', () => {
  const plan = (aggregateName: keyof typeof AGGREGATE_WEIGHTS = 'latest_only') =>
    new ActionPlan({ dof: 1, stepPeriodS: 0.1, aggregateName });
  const chunk = (timestep: number, values: readonly number[]): ActionChunk => ({
    actions: Float64Array.from(values),
    rows: values.length,
    dof: 1,
    stepPeriodS: 0.1,
    timestep,
    observedNs: 0,
  });

  it('test_update_action_queue_discards_stale: steps up to the present one are dropped', () => {
    const p = plan();
    p.merge(chunk(0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), 0);
    const nowNs = 0.55 * SECOND;
    expect(p.timestepAt(nowNs)).toBe(5);
    expect(p.merge(chunk(3, [30, 40, 50, 60, 70]), nowNs)).toEqual({ taken: 3, late: 2 });
    expect([...p.future(nowNs)!.chunk.actions].slice(0, 3)).toEqual([50, 60, 70]);
  });

  it('test_aggregate_action_queues: overlaps are mixed by their weights, the rest is taken as it is', () => {
    for (const weight of [0, 1, 0.5, 0.8, 0.2, 0.9, 0.1])
      expect(aggregate(weight, 2, 10)).toBeCloseTo((1 - weight) * 2 + weight * 10, 12);
    const p = plan('average');
    p.merge(chunk(0, [2, 2]), 0);
    p.merge(chunk(0, [10, 10, 7]), 0);
    expect([...p.future(0)!.chunk.actions]).toEqual([6, 6, 7]);
    expect(Object.keys(AGGREGATE_WEIGHTS)).toEqual([
      'weighted_average',
      'latest_only',
      'average',
      'conservative',
    ]);
  });

  it('test_ready_to_send_observation: with a share of a chunk left, or less', () => {
    expect([chunkDue(12, 20, 0.5), chunkDue(8, 20, 0.5), chunkDue(5, 10, 0.5), chunkDue(6, 10, 0.5)]).toEqual(
      [false, true, true, false],
    );
    for (const threshold of [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1])
      expect([threshold, chunkDue(6, 10, threshold)]).toEqual([threshold, threshold >= 0.6]);
  });
});
