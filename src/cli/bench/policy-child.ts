/** A policy that infers once for each line, as `node policy-child.js SETTINGS`; `contestant.ts` starts it. */
import { createInterface } from 'node:readline';
import { monotonicNs } from '../../platform/clock.ts';
import { openPolicy } from '../../policies/open-policy.ts';
import { streamOf, uniformAt } from '../../policies/seeded-tensor.ts';
import type { Answer, OwnSettings, Ready } from './contestant.ts';
import { benchObservation, SEED } from './policy.ts';

const settings: OwnSettings = JSON.parse(process.argv[2] ?? '');
const { checkpoint, threads, task, noise, flowSteps, quantize } = settings;

const startedNs = monotonicNs();
const policy = await openPolicy(checkpoint, {
  threads,
  niceness: 0,
  ...(quantize === undefined ? {} : { quantize }),
});
const loadS = (monotonicNs() - startedNs) / 1e9;

const observation = { ...benchObservation(policy), task };
const stream = streamOf(SEED, 'noise@0');
const options = {
  ...(flowSteps === undefined ? {} : { flowSteps }),
  ...(noise === undefined
    ? {}
    : { noise: Float32Array.from({ length: noise.count }, (_, i) => noise.reach * uniformAt(stream, i)) }),
};

const infer = async () => {
  policy.reset();
  const begunNs = monotonicNs();
  const { actions } = await policy.infer(observation, options);
  return { actions, ms: (monotonicNs() - begunNs) / 1e6 };
};
const answer = (message: Ready | Answer) => process.stdout.write(`${JSON.stringify(message)}\n`);

const first = await infer();
answer({ loadS, firstS: loadS + first.ms / 1000, version: '', actions: [...first.actions] });
for await (const _ of createInterface({ input: process.stdin })) {
  const { ms } = await infer();
  answer({ ms, peakMiB: process.resourceUsage().maxRSS / 1024 });
}
await policy.close();
