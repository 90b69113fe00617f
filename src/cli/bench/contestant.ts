import { z } from 'zod';
import { monotonicNs } from '../../platform/clock.ts';
import { distEntry } from '../../platform/entry.ts';
import type { QuantizedName } from '../../policies/quantize/format.ts';
import { startJsonLines } from './json-lines-child.ts';

/** Its first line, once it has loaded the model and answered for the first time. */
const readySchema = z.object({
  /** From opening the checkpoint to a model that is ready, s. */
  loadS: z.number(),
  /** From opening the checkpoint to its first action, s. */
  firstS: z.number(),
  version: z.string(),
  /** That first answer. */
  actions: z.array(z.number()),
});
/** What it answers to each line it is sent. */
const answerSchema = z.object({ ms: z.number(), peakMiB: z.number() });

export type Ready = z.infer<typeof readySchema>;
export type Answer = z.infer<typeof answerSchema>;

/** An engine with a model in a process of its own, that infers once for each line it is sent. */
export interface Contestant extends Ready {
  /** From starting its program to its first action, s. */
  readonly programS: number;
  infer(): Promise<Answer>;
  close(): Promise<void>;
}

/**
 * @param line what it is sent for each inference
 * @throws Error with the last line the program printed when it ends early
 */
export async function startContestant(command: readonly string[], line = ''): Promise<Contestant> {
  const startedNs = monotonicNs();
  const child = startJsonLines(command);
  try {
    const ready = await child.next(readySchema);
    const programS = (monotonicNs() - startedNs) / 1e9;
    const infer = () => {
      child.nudge(line);
      return child.next(answerSchema);
    };
    return { ...ready, programS, infer, close: child.close };
  } catch (thrown) {
    await child.close();
    throw thrown;
  }
}

/** What this side's process is told. */
export interface OwnSettings {
  readonly checkpoint: string;
  readonly threads: number;
  readonly task: string;
  /** Noise it begins with: numbers, and how far the uniform ones reach. */
  readonly noise?: { readonly count: number; readonly reach: number };
  readonly flowSteps?: number;
  readonly quantize?: QuantizedName;
}

/** This side, as every other one in a process of its own. */
export const ownCommand = (settings: OwnSettings): string[] => [
  process.execPath,
  distEntry('cli/bench/policy-child.js'),
  JSON.stringify(settings),
];
