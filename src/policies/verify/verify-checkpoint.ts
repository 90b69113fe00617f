import { MyelinError } from '../../core/errors.ts';
import { ActionQueue } from '../action-queue.ts';
import { readCheckpointFolder } from '../checkpoint-folder.ts';
import type { CheckpointPolicy } from '../checkpoint-policy.ts';
import { type OpenPolicyOptions, openPolicy } from '../open-policy.ts';
import { type Reference, type ReferenceRun, readReference } from './reference.ts';
import { seededNoise } from './seeded-noise.ts';
import { seededObservation, seededUniform } from './seeded-observation.ts';

export interface VerifyOptions extends OpenPolicyOptions {
  /** `reference.json`, or the folder it lies in. Without it, one run must give finite actions. */
  readonly reference?: string | undefined;
}

export interface VerifyReport {
  readonly loadMs: number;
  readonly inferMs: number;
  /** Rows and numbers a row of a chunk. */
  readonly rows: number;
  readonly actionLength: number;
  /** Smallest and largest number of the first chunk. */
  readonly range: readonly [number, number];
  /** What was compared, and the largest difference found. Empty without a reference. */
  readonly compared: readonly { readonly what: string; readonly worst: number }[];
}

/** Observations of the run that needs no reference. */
const SEED = 1;

/**
 * Loads a checkpoint and runs it: on a seeded observation, and on those of a reference.
 * @param folder local folder
 * @throws MyelinError as `openPolicy`, `readReference`; POLICY_OUTPUT_INVALID when actions are not finite
 */
export async function verifyCheckpoint(folder: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const reference = options.reference === undefined ? undefined : await readReference(options.reference);
  const { config } = await readCheckpointFolder(folder);
  const started = performance.now();
  const policy = await openPolicy(folder, options);
  const loadMs = performance.now() - started;
  try {
    const begun = performance.now();
    const { actions, rows, dof } = await infer(policy, config, SEED, { ...PLAIN, task: 'pick up the cube' });
    const inferMs = performance.now() - begun;
    const least = actions.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    const most = actions.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const range = [least, most] as const;
    const compared = reference === undefined ? [] : await compare(policy, config, reference);
    return { loadMs, inferMs, rows, actionLength: dof, range, compared };
  } finally {
    await policy.close();
  }
}

const PLAIN: ReferenceRun = { task: '', step: 0, absent: [], expected: {} };

function infer(policy: CheckpointPolicy, config: unknown, seed: number, run: ReferenceRun) {
  const { task, step, absent, chunk, flow_steps: flowSteps } = run;
  const noise = seededNoise(config, seed, step);
  const previous = (rows: number) => seededUniform(seed, 'previous', rows * policy.model.actionLength);
  return policy.infer(seededObservation(policy, { seed, step, task, absent }), {
    ...(noise === undefined ? {} : { noise }),
    ...(flowSteps === undefined ? {} : { flowSteps }),
    ...(chunk === undefined
      ? {}
      : {
          realTimeChunk: {
            previous: previous(chunk.rows),
            rows: chunk.rows,
            delaySteps: chunk.delay,
            executionHorizon: chunk.horizon,
            mode: chunk.mode,
          },
        }),
  });
}

async function compare(policy: CheckpointPolicy, config: unknown, reference: Reference) {
  const { seed } = reference;
  const compared: { what: string; worst: number }[] = [];
  const note = (what: string, found: ArrayLike<number>, expected: readonly (readonly number[])[]) =>
    compared.push({ what, worst: largestDifference(what, found, expected.flat()) });
  policy.reset();
  if ('runs' in reference) {
    for (const [i, run] of (reference.runs as ReferenceRun[]).entries()) {
      // References of words alone have no actions to compare.
      if (run.expected.chunk === undefined) continue;
      const { actions } = await infer(policy, config, seed, run);
      note(`run ${i + 1}${run.task === '' ? '' : ` "${run.task}"`}`, actions, run.expected.chunk);
    }
    return compared;
  }
  const { chunk, steps } = reference as Extract<Reference, { chunk: unknown }>;
  note('chunk', (await infer(policy, config, seed, PLAIN)).actions, chunk);
  const queue = new ActionQueue(policy);
  queue.reset();
  for (const [step, expected] of steps.entries()) {
    const noise = seededNoise(config, seed, step);
    const action = await queue.next(
      seededObservation(policy, { seed, step }),
      noise === undefined ? {} : { noise },
    );
    note(`step ${step}`, action, [expected]);
  }
  return compared;
}

function largestDifference(what: string, found: ArrayLike<number>, expected: readonly number[]): number {
  if (found.length !== expected.length) {
    throw new MyelinError('POLICY_OUTPUT_INVALID', {
      detail: `${found.length} numbers where the reference has ${expected.length} (${what})`,
    });
  }
  return expected.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (found[i] as number))), 0);
}
