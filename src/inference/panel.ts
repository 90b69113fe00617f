import { bitNames, ControlState, ErrorBit, stateName } from '../core/control-state.ts';
import type { InferenceStatus } from './inference-node.ts';

const BAR = 24;

const bar = (depth: number, capacity: number): string => {
  const filled = Math.round((Math.min(depth, capacity) / Math.max(capacity, 1)) * BAR);
  return `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)} ${depth}/${capacity}`;
};

/** The live panel, a few lines of plain text without the cursor control that redraws it. */
export function panelLines(policy: string, status: InferenceStatus): string[] {
  const { attached, controlState, errors, queueDepth, queueCapacity, inferenceMs, frameAgeMs } = status;
  const state = controlState === undefined ? 'no arm' : stateName(controlState);
  const faults = bitNames(ErrorBit, errors).join(', ');
  const next = controlState === ControlState.RUNNING ? 'pause' : 'start';
  return [
    `${policy}`,
    `state       ${state}${attached ? '' : ' (not in command)'}${faults === '' ? '' : `  ${faults}`}`,
    ...(status.subtask === undefined ? [] : [`subtask     ${status.subtask}`]),
    `queue       ${bar(queueDepth, queueCapacity)}`,
    `inference   ${inferenceMs.toFixed(1)} ms   ${status.inferences} done, ${status.failures} failed`,
    `frames      ${frameAgeMs.toFixed(0)} ms old`,
    `waiting for ${status.waitingFor ?? 'nothing'}`,
    `[Space] ${next}  [R] reset  [Q] quit, the arm holds  [Esc] STOP and quit`,
  ];
}

/** The same in one line. */
export const panelLine = (status: InferenceStatus): string =>
  [
    status.controlState === undefined ? 'no arm' : stateName(status.controlState),
    `queue ${status.queueDepth}/${status.queueCapacity}`,
    `inference ${status.inferenceMs.toFixed(1)} ms`,
    `frames ${status.frameAgeMs.toFixed(0)} ms old`,
    ...(status.subtask === undefined ? [] : [`subtask "${status.subtask}"`]),
    ...(status.failures > 0 ? [`${status.failures} failed`] : []),
  ].join(' | ');
