import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { ACTION, STATE } from '../features.ts';
import { checkedSettings, type ProcessorStep, type StepDescription } from './step.ts';

const relativeSchema = z.looseObject({
  enabled: z.boolean().default(false),
  exclude_joints: z.array(z.string()).default([]),
  action_names: z.array(z.string()).nullable().default(null),
});
const absoluteSchema = z.looseObject({ enabled: z.boolean().default(false) });

/** Under this name the one step notes for the other what each axis counts from. */
const ORIGIN = 'relative origin';

/**
 * `relative_actions_processor`: actions count from the state the robot has now. Axes whose name holds an excluded
 * word (a gripper's) stay absolute.
 */
export function relativeActionsStep(description: StepDescription, file: string): Promise<ProcessorStep> {
  const { enabled, ...names } = checkedSettings(relativeSchema, description.config, file);
  return Promise.resolve({
    name: 'relative actions',
    apply: ({ vectors, notes, actionLength }) => {
      const state = vectors.get(STATE);
      if (!enabled || state === undefined) return;
      const origin = state.map((value, axis) => (staysAbsolute(axis, names) ? 0 : value));
      notes.set(ORIGIN, origin);
      const actions = vectors.get(ACTION);
      if (actions !== undefined) shift(actions, origin, -1, actionLength, file);
    },
  });
}

/** `absolute_actions_processor`: back to where the state was when the actions were asked for. */
export function absoluteActionsStep(description: StepDescription, file: string): Promise<ProcessorStep> {
  const { enabled } = checkedSettings(absoluteSchema, description.config, file);
  return Promise.resolve({
    name: 'absolute actions',
    apply: ({ vectors, notes, actionLength }) => {
      const actions = vectors.get(ACTION);
      const origin = notes.get(ORIGIN);
      if (!enabled || actions === undefined) return;
      if (origin === undefined) {
        const detail =
          'absolute_actions_processor has no enabled relative_actions_processor before the model';
        throw new MyelinError('CHECKPOINT_INVALID', { file, detail });
      }
      shift(actions, origin, 1, actionLength, file);
    },
  });
}

function staysAbsolute(
  axis: number,
  {
    exclude_joints: words,
    action_names: names,
  }: { readonly exclude_joints: readonly string[]; readonly action_names: readonly string[] | null },
): boolean {
  const name = names?.[axis]?.toLowerCase();
  return name !== undefined && words.some((word) => word !== '' && name.includes(word.toLowerCase()));
}

/** Adds `sign` times the origin to every row, in place. */
function shift(
  actions: Float64Array,
  origin: Float64Array,
  sign: 1 | -1,
  rowLength: number,
  file: string,
): void {
  if (origin.length < rowLength) {
    const detail = `relative actions of ${rowLength} numbers need a state as long, it has ${origin.length}`;
    throw new MyelinError('CHECKPOINT_INVALID', { file, detail });
  }
  for (let i = 0; i < actions.length; i++) {
    actions[i] = (actions[i] as number) + sign * (origin[i % rowLength] as number);
  }
}
