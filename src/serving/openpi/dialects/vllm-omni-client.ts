import { float64Array, uint8Array } from '../ndarray.ts';
import { isMap, type WireMap, type WireValue, wireMap } from '../wire-value.ts';
import type { ClientDialect, ClientRequest, RemotePolicy } from './client-dialect.ts';

/** Whether a first frame is vLLM-Omni's. */
export const isVllmOmni = (metadata: WireMap): boolean =>
  metadata.has('needs_session_id') || metadata.has('action_space');

const whole = (value: WireValue | undefined): number | undefined =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 100_000 ? value : undefined;

/** vLLM-Omni: a bare array back; it closes a connection that was idle for 30 s, which is made again when needed. */
export const vllmOmniClient: ClientDialect = {
  name: 'vllm-omni',

  describe(metadata): RemotePolicy {
    const width = whole(metadata.get('action_dim'));
    const wrist = metadata.get('needs_wrist_camera') === true;
    return {
      name: 'vLLM-Omni',
      cameras: [
        { name: 'base_0_rgb' },
        { name: 'left_wrist_0_rgb', optional: !wrist },
        { name: 'right_wrist_0_rgb', optional: true },
      ],
      chunkRows: whole(metadata.get('action_horizon')),
      actionNames: width === undefined ? undefined : Array.from({ length: width }, (_, i) => `action_${i}`),
      normalises: 'unknown',
      pictureSide: 224,
    };
  },

  request({ observation, pictures, state, options }: ClientRequest): WireMap {
    const message = new Map<string, WireValue>([['endpoint', 'infer']]);
    for (const [name, { rgb, width, height }] of pictures)
      message.set(`observation.images.${name}`, uint8Array(rgb, [height, width, 3]));
    message.set('state', float64Array(state));
    message.set('prompt', observation.task);
    if (options.seed !== undefined) message.set('seed', options.seed);
    if (options.flowSteps !== undefined)
      message.set('sampling_params', wireMap({ num_inference_steps: options.flowSteps }));
    return message;
  },

  actions(reply) {
    if ('text' in reply) return { failure: reply.text };
    if (!isMap(reply.value)) return { value: reply.value };
    if (reply.value.get('type') === 'error')
      return { failure: String(reply.value.get('message') ?? 'an error') };
    // Some of its models answer a map of arrays, one a part of the robot.
    return { value: reply.value.get('actions') ?? reply.value.get('action') };
  },

  reset: wireMap({ endpoint: 'reset' }),
};
