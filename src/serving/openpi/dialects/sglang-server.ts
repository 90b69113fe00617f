import { z } from 'zod';
import { MyelinError } from '../../../core/errors.ts';
import type { ExtendedRequest } from '../extension.ts';
import { NdArray, toNumbers } from '../ndarray.ts';
import { type WireMap, type WireValue, wireMap } from '../wire-value.ts';
import { actionsOf, faultText, type ServerDialect } from './server-dialect.ts';
import { publicName } from './stock-server.ts';

const optionsSchema = z.object({
  request_id: z.union([z.string().max(200), z.int()]).optional(),
  seed: z.int().min(0).max(0xffff_ffff).optional(),
  num_inference_steps: z.int().min(1).max(1000).optional(),
});

/** SGLang's `/openpi/policy`: its metadata object first, options beside the observation, errors as `{error}` and 1011. */
export const sglangServer: ServerDialect = {
  name: 'SGLang',

  greeting({ spec }): WireMap {
    return wireMap({
      object: 'action.metadata',
      model: publicName(spec),
      model_path: publicName(spec),
      policy_family: publicName(spec).split(' ')[0] ?? '',
      input: wireMap({ image_keys: spec.cameras.map(({ name }) => name), state_dim: spec.stateNames.length }),
      output: wireMap({
        action_type: 'continuous',
        action_horizon: spec.chunkRows,
        action_dim: spec.actionNames.length,
        padded_action_dim: spec.actionNames.length,
        dtype: 'float64',
      }),
      // SGLang itself leaves normalisation to its client; here states and actions are the robot's own.
      runtime: wireMap({ normalization: 'server' }),
      capabilities: wireMap({ openpi_websocket: true, batch_inputs: false, multiple_candidates: false }),
    });
  },

  request(message) {
    const parsed = optionsSchema.safeParse(Object.fromEntries(message));
    if (!parsed.success) throw invalid(parsed.error);
    const { request_id: requestId, seed, num_inference_steps: flowSteps } = parsed.data;
    const options: ExtendedRequest = { requestId, seed, flowSteps, noise: noiseOf(message.get('noise')) };
    // Noise would look like a picture to who reads the rest.
    const observation = new Map([...message].filter(([key]) => key !== 'noise' && key !== 'image_masks'));
    return { kind: 'infer', observation, options, extended: false };
  },

  answer({ request, chunk, timing, previousTotalMs }): WireMap {
    return wireMap({
      request_id: request.options.requestId,
      actions: actionsOf(chunk),
      parameters: wireMap({ action_horizon: chunk.rows, action_dim: chunk.dof, seed: request.options.seed }),
      timings: wireMap({ queue_ms: timing.queueMs, infer_ms: timing.modelMs }),
      cache: wireMap({ prefix_cache_hit: false }),
      server_timing: wireMap({ infer_ms: timing.totalMs, prev_total_ms: previousTotalMs }),
    });
  },

  fault: (error) => ({ frame: wireMap({ error: faultText(error) }), ends: true }),
};

export function noiseOf(value: WireValue | undefined): Float32Array | undefined {
  if (value === undefined || value === null) return undefined;
  const values = value instanceof NdArray ? toNumbers(value) : undefined;
  if (values?.every(Number.isFinite)) return Float32Array.from(values);
  throw new MyelinError('MESSAGE_INVALID', { detail: 'noise is not an array of finite numbers' });
}

export function invalid({ issues: [issue] }: z.ZodError): MyelinError {
  return new MyelinError('MESSAGE_INVALID', { detail: `${issue?.path.join('.')}: ${issue?.message}` });
}
