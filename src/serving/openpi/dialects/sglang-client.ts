import { z } from 'zod';
import { float32Array, float64Array, uint8Array } from '../ndarray.ts';
import { cameraOf } from '../robot-keys.ts';
import { isMap, toPlain, type WireMap, type WireValue } from '../wire-value.ts';
import type { ClientDialect, ClientRequest, RemotePolicy } from './client-dialect.ts';

const size = z.int().min(1).max(100_000).optional().catch(undefined);
const metadataSchema = z.object({
  model: z.string().max(500).catch('policy'),
  input: z.object({ image_keys: z.array(z.string().max(200)).max(64) }),
  output: z.object({ action_horizon: size, action_dim: size }),
  runtime: z.object({ normalization: z.string().optional() }).catch({}),
});

/** Whether a first frame is SGLang's. */
export const isSglang = (metadata: WireMap): boolean => metadata.get('object') === 'action.metadata';

/**
 * SGLang: it answers a request with misnamed cameras from blank ones, so the names come from its metadata and every
 * one is needed. It normalises nothing.
 */
export const sglangClient: ClientDialect = {
  name: 'sglang',

  describe(metadata): RemotePolicy {
    const { model, input, output, runtime } = metadataSchema.parse(toPlain(metadata));
    return {
      name: `SGLang ${model}`,
      cameras: input.image_keys.map((key) => ({
        name: cameraOf(key),
        // LeRobot's name for a slot the checkpoint was trained without.
        optional: cameraOf(key).startsWith('empty_camera'),
      })),
      chunkRows: output.action_horizon,
      actionNames: output.action_dim && Array.from({ length: output.action_dim }, (_, i) => `action_${i}`),
      normalises: runtime.normalization === 'server' ? 'server' : 'client',
      pictureSide: 224,
    } as RemotePolicy;
  },

  request: ({ observation, pictures, state, options }: ClientRequest) => {
    const message = new Map<string, WireValue>();
    for (const [name, { rgb, width, height }] of pictures)
      message.set(`observation.images.${name}`, uint8Array(rgb, [height, width, 3]));
    message.set('state', float64Array(state));
    message.set('prompt', observation.task);
    if (options.seed !== undefined) message.set('seed', options.seed);
    if (options.flowSteps !== undefined) message.set('num_inference_steps', options.flowSteps);
    if (options.noise !== undefined) message.set('noise', float32Array(options.noise));
    return message;
  },

  actions(reply) {
    if ('text' in reply) return { failure: reply.text };
    if (!isMap(reply.value)) return { failure: 'an answer that is no map' };
    const failure = reply.value.get('error');
    return typeof failure === 'string' ? { failure } : { value: reply.value.get('actions') };
  },
};
