import type { MyelinError } from '../../../core/errors.ts';
import type { PolicySpec } from '../../../policies/policy.ts';
import { EXTENSION, plainRealTimeSupport, readExtension, subtaskEntries } from '../extension.ts';
import { type WireMap, wireMap } from '../wire-value.ts';
import { type Answer, actionsOf, faultText, type Greeting, type ServerDialect } from './server-dialect.ts';

/** openpi's own server: every path, metadata first, `{actions, policy_timing, server_timing}`, errors as text and 1011. */
export const stockServer: ServerDialect = {
  name: 'openpi',

  greeting({ spec, looksBack, metadata, extended }: Greeting): WireMap {
    return extended ? new Map([...metadata, [EXTENSION, describePolicy(spec, looksBack)]]) : metadata;
  },

  request(message) {
    const extension = readExtension(message.get(EXTENSION));
    return {
      kind: 'infer',
      observation: message,
      options: extension ?? {},
      extended: extension !== undefined,
    };
  },

  answer({ request, chunk, timing, previousTotalMs, subtask }: Answer): WireMap {
    return wireMap({
      actions: actionsOf(chunk),
      policy_timing: wireMap({ infer_ms: timing.modelMs }),
      server_timing: wireMap({ infer_ms: timing.totalMs, prev_total_ms: previousTotalMs }),
      [EXTENSION]: request.extended
        ? new Map([
            ...subtaskEntries(request.options, subtask),
            ['timestep', chunk.timestep],
            ['step_period_s', chunk.stepPeriodS],
            ['queue_ms', timing.queueMs],
            ['model_ms', timing.modelMs],
            ['total_ms', timing.totalMs],
          ])
        : undefined,
    });
  },

  fault: (error: MyelinError) => ({ frame: faultText(error), ends: true }),
};

/** What a client must know to use the policy. The name says nothing of this machine's folders. */
export function describePolicy(spec: PolicySpec, looksBack: boolean): WireMap {
  return wireMap({
    version: 1,
    policy: publicName(spec),
    cameras: spec.cameras.map(({ name, width, height, optional }) =>
      wireMap({ name, width, height, optional: optional || undefined }),
    ),
    state_names: spec.stateNames,
    action_names: spec.actionNames,
    chunk_rows: spec.chunkRows,
    action_steps: spec.actionSteps,
    step_period_s: spec.stepPeriodS,
    subtasks: spec.subtasks,
    looks_back: looksBack || undefined,
    real_time_chunking: spec.realTime && wireMap(plainRealTimeSupport(spec.realTime)),
  });
}

/** `act /home/me/run/pretrained_model` is `act pretrained_model`. */
export const publicName = ({ name }: PolicySpec): string => name.replace(/\S*\//g, '');
