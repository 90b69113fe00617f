import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { readJson } from '../read-json.ts';
import type { Batch } from './batch.ts';
import { type ProcessorStep, stepSchema } from './step.ts';
import { STEPS } from './steps.ts';
import type { Tokenizer } from './tokenizer.ts';

const pipelineSchema = z.looseObject({ name: z.string(), steps: z.array(stepSchema).max(64) });

/** Processor steps in order, as a checkpoint's JSON lists them. */
export class Pipeline {
  readonly steps: readonly ProcessorStep[];

  constructor(steps: readonly ProcessorStep[]) {
    this.steps = steps;
  }

  /**
   * Reads `policy_preprocessor.json` or `policy_postprocessor.json` and the state files beside it.
   * @throws MyelinError CONFIG_INVALID, CHECKPOINT_UNSUPPORTED for a step that is not known
   */
  static async open(file: string): Promise<Pipeline> {
    const { steps } = await readJson(file, pipelineSchema);
    const made: ProcessorStep[] = [];
    for (const step of steps) {
      const name = step.registry_name ?? step.class ?? 'a step without a name';
      const make = Object.hasOwn(STEPS, name) ? STEPS[name] : undefined;
      if (make === undefined) {
        throw new MyelinError('CHECKPOINT_UNSUPPORTED', {
          file,
          feature: `the processor step "${name}"`,
          advice: `Known steps: ${Object.keys(STEPS).join(', ')}. Skipping one would change the actions.`,
        });
      }
      made.push(await make(step, file));
    }
    return new Pipeline(made);
  }

  /** What words are read with, when a step reads them. */
  get tokenizer(): Tokenizer | undefined {
    return this.steps.find((step) => step.tokenizer !== undefined)?.tokenizer;
  }

  apply(batch: Batch): void {
    for (const step of this.steps) step.apply(batch);
  }

  /** What an observation must call the feature that the model knows by this name. */
  sourceOf(feature: string): string {
    return this.steps.reduceRight((name, step) => step.sourceOf?.(name) ?? name, feature);
  }
}
