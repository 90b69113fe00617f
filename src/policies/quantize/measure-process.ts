/** A process that opens one form of a checkpoint, compares and times it, and ends; see `measure-form.ts`. */
import { toMyelinError } from '../../core/errors.ts';
import type { CheckpointPolicy } from '../checkpoint-policy.ts';
import { openPolicy } from '../open-policy.ts';
import { seededObservation } from '../seeded-observation.ts';
import type { MeasureAnswer, MeasuredForm, MeasureRequest } from './measure-protocol.ts';

const answer = (message: MeasureAnswer) => process.send?.(message);

async function measure({ path, model, observations, repeats, seed }: MeasureRequest): Promise<MeasuredForm> {
  const started = performance.now();
  const policy = await openPolicy(path, {
    ...model,
    onNote: (sentence) => answer({ kind: 'note', sentence }),
  });
  try {
    const chunks: Float64Array[] = [];
    let firstActionMs = 0;
    for (let index = 0; index < observations; index++) {
      const { actions } = await policy.infer(seededObservation(policy, seed, index), { seed: index });
      if (index === 0) firstActionMs = performance.now() - started;
      chunks.push(actions);
      policy.reset();
    }
    const stageMs = await timeStages(policy, repeats, seed);
    const peakBytes = 1024 * process.resourceUsage().maxRSS;
    return { chunks, axes: policy.model.actionLength, firstActionMs, stageMs, peakBytes };
  } finally {
    await policy.close();
  }
}

async function timeStages(
  policy: CheckpointPolicy,
  repeats: number,
  seed: number,
): Promise<Map<string, number>> {
  const times = new Map<string, number[]>();
  const add = (stage: string, ms: number) => times.set(stage, [...(times.get(stage) ?? []), ms]);
  for (let index = 0; index < repeats; index++) {
    const observation = seededObservation(policy, seed, index);
    const started = performance.now();
    await policy.infer(observation, { seed: index, onStage: add });
    add('total', performance.now() - started);
  }
  return new Map([...times].map(([stage, values]) => [stage, median(values)]));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

// Whoever asked is gone: nobody waits for the answer.
process.on('disconnect', () => process.exit());
process.once('message', (request: MeasureRequest) => {
  measure(request).then(
    (form) => answer({ kind: 'measured', form }),
    (thrown: unknown) => {
      const { code, parameters } = toMyelinError(thrown);
      answer({ kind: 'failed', code, parameters });
    },
  );
});
