import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { type BenchTable, percentile } from '../../core/bench-table.ts';
import type { Observation } from '../../core/observation.ts';
import { monotonicNs } from '../../platform/clock.ts';
import type { CheckpointPolicy } from '../../policies/checkpoint-policy.ts';
import type { ModelOptions } from '../../policies/model.ts';
import { openPolicy } from '../../policies/open-policy.ts';
import { seededPicture, streamOf, uniformAt } from '../../policies/seeded-tensor.ts';
import { CameraReader, CameraWriter } from '../../segment/camera-ring.ts';
import { fitLine } from './line-fit.ts';

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
  /** Device, quantisation and threads. Default: all cores. */
  readonly model?: ModelOptions;
}

/** Of weights and observations. */
export const SEED = 1;
export const PERCENTILES = ['mean ms', 'p50 ms', 'p95 ms', 'p99 ms'];

/** Mean and percentiles, four digits. */
export const statistics = (timesMs: readonly number[]): number[] => {
  const sorted = Float64Array.from(timesMs).sort();
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return [mean, ...[0.5, 0.95, 0.99].map((share) => percentile(sorted, share))].map((value) =>
    Number(value.toPrecision(4)),
  );
};

/** A checkpoint's latency, whole and by stage, for each number of denoising steps. */
export async function benchPolicy(options: PolicyBenchOptions): Promise<BenchTable[]> {
  const { checkpoint, components, frequencyHz, repeats = 20 } = options;
  // The last note is what it runs on; what comes before is for those who wait.
  let runsOn = '';
  const policy = await openPolicy(checkpoint, {
    threads: availableParallelism(),
    ...options.model,
    onNote: (note) => {
      runsOn = note;
      process.stderr.write(`${note}\n`);
    },
  });
  try {
    const runs: StepRun[] = [];
    for (const steps of policy.model.flowSteps === undefined ? [undefined] : options.flowSteps) {
      const stages = await timeStages(policy, repeats, steps);
      runs.push({ steps, stages, total: statistics(stages.get(TOTAL) ?? []) });
    }
    const command = `myelin bench -c ${checkpoint} --flow-steps ${options.flowSteps.join(',')}${components ? ' --components' : ''}${options.model?.quantize === undefined ? '' : ` --quantize ${options.model.quantize}`}`;
    const tables: BenchTable[] = [
      {
        title: `Policy latency by denoising steps: ${basename(checkpoint)}`,
        command,
        columns: ['steps', ...PERCENTILES],
        rows: runs.map(({ steps = 'none', total }) => [steps, ...total]),
        notes: [
          denoisingNote(policy, runs, options.flowSteps),
          recommendation(policy, runs, frequencyHz),
          `${repeats} inferences a row, first ones left out; ${runsOn}.`,
        ],
      },
    ];
    if (components) tables.push(...runs.map((run) => componentTable(run, policy, checkpoint, command)));
    return tables;
  } finally {
    await policy.close();
  }
}

/** What was measured at one number of denoising steps; undefined for a policy that does not denoise. */
interface StepRun {
  readonly steps: number | undefined;
  readonly stages: ReadonlyMap<string, readonly number[]>;
  /** Mean and percentiles, ms, as the columns name them. */
  readonly total: readonly number[];
}

const MEDIAN = 1;
const P95 = 2;

function denoisingNote(
  { model }: CheckpointPolicy,
  runs: readonly StepRun[],
  asked: readonly number[],
): string {
  if (model.flowSteps === undefined) {
    return `This policy does not denoise: it answers in one pass, and --flow-steps ${asked.join(',')} changes nothing.`;
  }
  const own = `The checkpoint's own number of steps is ${model.flowSteps}.`;
  const line = fitLine(runs.map(({ steps = 0, total }) => [steps, total[MEDIAN] ?? Number.NaN]));
  if (line === undefined) return own;
  const { intercept, slope, departure } = line;
  return `Medians lie on ${intercept.toFixed(1)} ms + ${slope.toFixed(2)} ms a step, at most ${departure.toFixed(1)} ms off it. ${own}`;
}

const TOTAL = 'total';
const CAPTURE = 'capture';

function componentTable(
  { steps, stages }: StepRun,
  policy: CheckpointPolicy,
  checkpoint: string,
  command: string,
): BenchTable {
  const load = Object.entries(policy.model.loadMs).map(([stage, ms]) => `${stage} ${ms.toFixed(0)} ms`);
  return {
    title: `Policy latency by component${steps === undefined ? '' : `, ${steps} denoising steps`}: ${basename(checkpoint)}`,
    command,
    columns: ['stage', ...PERCENTILES],
    rows: [...stages].map(([stage, times]) => [stage, ...statistics(times)]),
    notes: [
      'Capture: the newest picture of every camera copied out of its shared-memory ring.',
      `Loading, once: ${load.join(', ')}.`,
    ],
  };
}

/** The most steps that a rate leaves time for, in words. */
function recommendation({ spec }: CheckpointPolicy, runs: readonly StepRun[], frequencyHz: number): string {
  const rowsOf = ({ total }: StepRun) => Math.ceil(((total[P95] ?? Number.NaN) / 1000) * frequencyHz);
  const enough = (run: StepRun) => rowsOf(run) <= spec.chunkRows;
  const quickFirst = [...runs].sort((a, b) => (a.steps ?? 0) - (b.steps ?? 0));
  const chosen = quickFirst.findLast(enough) ?? quickFirst[0];
  if (chosen === undefined) return 'Nothing was measured.';
  const count = `Recommended step count: ${chosen.steps ?? 'none to choose'}.`;
  const p95Ms = chosen.total[P95] ?? Number.NaN;
  if (p95Ms <= 1000 / frequencyHz) {
    return `${count} A new chunk at each of ${frequencyHz} Hz fits (p95 ${p95Ms} ms).`;
  }
  const are = enough(chosen) ? 'enough' : 'not enough: lower the frequency';
  return `${count} At ${frequencyHz} Hz a chunk must last ${rowsOf(chosen)} actions (p95 ${p95Ms} ms); its ${spec.chunkRows} are ${are}.`;
}

/** Every stage's times, ms, in the order they run, `total` last. */
async function timeStages(
  policy: CheckpointPolicy,
  repeats: number,
  flowSteps: number | undefined,
): Promise<Map<string, number[]>> {
  policy.reset();
  const writers = benchCameras(policy).map(({ name, width, height }) => {
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
      await policy.infer(
        { ...plain, timestep: i + 3, cameras },
        { ...(flowSteps === undefined ? {} : { flowSteps }), ...(counts ? { onStage: add } : {}) },
      );
      if (counts) add(TOTAL, (monotonicNs() - startNs) / 1e6);
    }
  } finally {
    for (const ring of [...readers, ...writers]) ring.close();
  }
  return stages;
}

/** The policy's cameras, with the size it was trained on where it takes any. */
function benchCameras({ spec, model }: CheckpointPolicy): { name: string; width: number; height: number }[] {
  return model.pictures.map(({ width, height, feature }, i) => ({
    name: spec.cameras[i]?.name ?? feature,
    width,
    height,
  }));
}

/** The observation that the rivals in `tools/parity/` make too. */
export function benchObservation(policy: CheckpointPolicy): Observation {
  const stream = streamOf(SEED, 'observation.state@0');
  const cameras = benchCameras(policy).map(({ name, width, height }) => ({
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
