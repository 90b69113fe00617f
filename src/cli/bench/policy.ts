import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchTable, percentile } from '../../core/bench-table.ts';
import type { Observation } from '../../core/observation.ts';
import { monotonicNs } from '../../platform/clock.ts';
import type { CheckpointPolicy } from '../../policies/checkpoint-policy.ts';
import { openPolicy } from '../../policies/open-policy.ts';
import { actConfig, createSeededCheckpoint } from '../../policies/seeded-checkpoint.ts';
import { seededPicture, streamOf, uniformAt } from '../../policies/seeded-tensor.ts';
import { CameraReader, CameraWriter } from '../../segment/camera-ring.ts';
import { startTorchRival, type TorchRival } from './torch-rival.ts';

export interface PolicyBenchOptions {
  readonly checkpoint: string;
  /** Numbers of denoising steps to try, for policies that denoise. */
  readonly flowSteps: readonly number[];
  /** Show every stage. */
  readonly components: boolean;
  /** Rate that chunks are to be computed at, Hz. */
  readonly frequencyHz: number;
  /** Inferences a row. Default 20. */
  readonly repeats?: number;
}

const SEED = 1;
const PERCENTILES = ['mean ms', 'p50 ms', 'p95 ms', 'p99 ms'];

const statistics = (timesMs: readonly number[]): number[] => {
  const sorted = Float64Array.from(timesMs).sort();
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return [mean, ...[0.5, 0.95, 0.99].map((share) => percentile(sorted, share))].map((value) =>
    Number(value.toPrecision(4)),
  );
};

/** A checkpoint's latency, whole and by stage. */
export async function benchPolicy(options: PolicyBenchOptions): Promise<BenchTable[]> {
  const { checkpoint, components, frequencyHz, repeats = 20 } = options;
  const policy = await openPolicy(checkpoint, { threads: availableParallelism() });
  try {
    const stages = await timeStages(policy, repeats);
    const command = `myelin bench -c ${checkpoint} --flow-steps ${options.flowSteps.join(',')}${components ? ' --components' : ''}`;
    const total = statistics(stages.get(TOTAL) ?? []);
    const tables: BenchTable[] = [
      {
        title: 'Policy latency by denoising steps',
        command,
        columns: ['steps', ...PERCENTILES],
        rows: [['none', ...total]],
        notes: [
          `This policy does not denoise: it answers in one pass, and --flow-steps ${options.flowSteps.join(',')} changes nothing.`,
          recommendation(policy, total[2] ?? Number.NaN, frequencyHz),
          `${policy.model.threads} thread(s), ${repeats} inferences, first ones left out.`,
        ],
      },
    ];
    if (components) tables.push(componentTable(stages, policy, command));
    return tables;
  } finally {
    await policy.close();
  }
}

const TOTAL = 'total';
const CAPTURE = 'capture';

function componentTable(
  stages: ReadonlyMap<string, readonly number[]>,
  policy: CheckpointPolicy,
  command: string,
): BenchTable {
  const load = Object.entries(policy.model.loadMs).map(([stage, ms]) => `${stage} ${ms.toFixed(0)} ms`);
  return {
    title: 'Policy latency by component',
    command,
    columns: ['stage', ...PERCENTILES],
    rows: [...stages].map(([stage, times]) => [stage, ...statistics(times)]),
    notes: [
      'Capture: the newest picture of every camera copied out of its shared-memory ring.',
      `Loading, once: ${load.join(', ')}.`,
    ],
  };
}

/** What rate the policy sustains, in words. */
function recommendation({ spec }: CheckpointPolicy, p95Ms: number, frequencyHz: number): string {
  const budgetMs = 1000 / frequencyHz;
  const steps = 'Recommended step count: none to choose.';
  if (p95Ms <= budgetMs) return `${steps} A new chunk at each of ${frequencyHz} Hz fits (p95 ${p95Ms} ms).`;
  const rows = Math.ceil((p95Ms / 1000) * frequencyHz);
  const enough = rows <= spec.chunkRows ? 'enough' : 'not enough: lower the frequency';
  return `${steps} At ${frequencyHz} Hz a chunk must last ${rows} actions (p95 ${p95Ms} ms); its ${spec.chunkRows} are ${enough}.`;
}

/** Every stage's times, ms, in the order they run, `total` last. */
async function timeStages(policy: CheckpointPolicy, repeats: number): Promise<Map<string, number[]>> {
  const writers = policy.spec.cameras.map(({ name, width = 0, height = 0 }) => {
    const ring = `bench_${process.pid}_${name}`.replace(/\W/g, '_');
    const writer = CameraWriter.create(ring, { width, height, frequencyHz: 30 });
    writer.frame.set(seededPicture(SEED, `observation.images.${name}@0`, width, height));
    writer.publish(monotonicNs(), Date.now() / 1000);
    return writer;
  });
  const readers = writers.map((writer) => CameraReader.open(writer.name));
  const stages = new Map<string, number[]>();
  const add = (stage: string, ms: number) => stages.set(stage, [...(stages.get(stage) ?? []), ms]);
  try {
    const plain = benchObservation(policy);
    for (let i = -3; i < repeats; i++) {
      const startNs = monotonicNs();
      const frames = readers.map((reader) => reader.read());
      const captureMs = (monotonicNs() - startNs) / 1e6;
      const cameras = new Map(
        policy.spec.cameras.flatMap(({ name }, k) => {
          const frame = frames[k];
          return frame === undefined ? [] : [[name, frame] as const];
        }),
      );
      const counts = i >= 0;
      if (counts) add(CAPTURE, captureMs);
      await policy.infer({ ...plain, timestep: i + 3, cameras }, counts ? { onStage: add } : {});
      if (counts) add(TOTAL, (monotonicNs() - startNs) / 1e6);
    }
  } finally {
    for (const ring of [...readers, ...writers]) ring.close();
  }
  return stages;
}

/** The observation that `tools/parity/time_act.py` makes too. */
function benchObservation(policy: CheckpointPolicy): Observation {
  const stream = streamOf(SEED, 'observation.state@0');
  const cameras = policy.spec.cameras.map(({ name, width = 0, height = 0 }) => ({
    name,
    width,
    height,
    rgb: seededPicture(SEED, `observation.images.${name}@0`, width, height),
    capturedNs: 0,
    sequence: 1,
  }));
  const environment = policy.model.vectors.find(({ feature }) => feature.endsWith('environment_state'));
  return {
    timestep: 0,
    timestampNs: monotonicNs(),
    state: Float64Array.from({ length: policy.spec.stateNames.length }, (_, i) => uniformAt(stream, i)),
    velocity: new Float64Array(policy.spec.stateNames.length),
    cameras: new Map(cameras.map((frame) => [frame.name, frame])),
    task: '',
    objects: new Map([['scene', new Float64Array(environment?.length ?? 0)]]),
  };
}

export interface ActBenchOptions {
  /** A Python with PyTorch, torchvision and what LeRobot imports: tools/parity/README.md. */
  readonly python: string;
  /** LeRobot's `src` folder. Without it only this side is measured. */
  readonly lerobotSource?: string;
  /** Inferences. Default 20. */
  readonly repeats?: number;
}

/**
 * A full-size ACT (52 M seeded weights, two cameras of 640x480) here and in LeRobot's PyTorch, turn by turn in one
 * run on the same cores, and how far their answers differ.
 */
export async function benchActBesidePyTorch(options: ActBenchOptions): Promise<BenchTable[]> {
  const { python, lerobotSource, repeats = 20 } = options;
  const threads = availableParallelism();
  const folder = await mkdtemp(join(tmpdir(), 'myelin-bench-act-'));
  const notes: string[] = [`${threads} thread(s) each, ${repeats} inferences each, turn by turn.`];
  let rival: TorchRival | undefined;
  try {
    await createSeededCheckpoint(folder, actConfig(), SEED);
    if (lerobotSource === undefined) {
      notes.push('PyTorch not measured: give --lerobot-src (and --python); see tools/parity/README.md.');
    } else {
      rival = await startTorchRival({ python, lerobotSource, checkpoint: folder, threads, seed: SEED }).catch(
        (thrown: unknown) => {
          notes.push(`PyTorch not available: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
          return undefined;
        },
      );
    }
    const startedNs = monotonicNs();
    const policy = await openPolicy(folder, { threads, niceness: 0 });
    const loadS = (monotonicNs() - startedNs) / 1e9;
    try {
      const rows = await duel(policy, loadS, rival, repeats, notes);
      return [
        {
          title: "ACT beside LeRobot's PyTorch",
          command: `myelin bench act --python PYTHON --lerobot-src SRC --repeats ${repeats}`,
          columns: ['engine', 'load s', ...PERCENTILES, 'peak MiB', 'median ratio'],
          rows,
          notes,
        },
      ];
    } finally {
      await policy.close();
    }
  } finally {
    await rival?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function duel(
  policy: CheckpointPolicy,
  loadS: number,
  rival: TorchRival | undefined,
  repeats: number,
  notes: string[],
): Promise<(string | number)[][]> {
  const observation = benchObservation(policy);
  const warm = await policy.infer(observation);
  await policy.infer(observation);
  if (rival !== undefined) {
    const worst = rival.actions.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - (warm.actions[i] ?? Number.NaN))),
      0,
    );
    notes.push(`Largest difference between the two answers (100 x 7 actions): ${worst.toExponential(1)}.`);
    await rival.infer();
  }
  const own: number[] = [];
  const theirs: number[] = [];
  let peakMiB = 0;
  for (let i = 0; i < repeats; i++) {
    const startNs = monotonicNs();
    await policy.infer(observation);
    own.push((monotonicNs() - startNs) / 1e6);
    if (rival === undefined) continue;
    const answer = await rival.infer();
    theirs.push(answer.ms);
    peakMiB = answer.peakMiB;
  }
  const ownStatistics = statistics(own);
  const theirStatistics = statistics(theirs);
  const ownPeakMiB = Math.round(process.resourceUsage().maxRSS / 1024);
  const ratio = rival === undefined ? '' : ((ownStatistics[1] ?? 0) / (theirStatistics[1] ?? 1)).toFixed(2);
  const rows = [['Myelin', Number(loadS.toFixed(2)), ...ownStatistics, ownPeakMiB, ratio]];
  if (rival !== undefined) {
    rows.push([
      `PyTorch ${rival.version}`,
      Number(rival.loadS.toFixed(2)),
      ...theirStatistics,
      Math.round(peakMiB),
      '1.00',
    ]);
  }
  return rows;
}
