/** A policy that infers without pause on every core, as `node policy-load.js CHECKPOINT`, until its parent is gone. */
import { cpus } from 'node:os';
import { openPolicy } from '../../policies/open-policy.ts';
import { benchObservation } from './policy.ts';

const [checkpoint = ''] = process.argv.slice(2);
const parent = process.ppid;
const policy = await openPolicy(checkpoint, { threads: cpus().length });
const observation = benchObservation(policy);
await policy.infer(observation);
process.stdout.write('inferring\n');
while (process.ppid === parent) await policy.infer(observation);
await policy.close();
