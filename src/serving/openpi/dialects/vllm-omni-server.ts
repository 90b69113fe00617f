import { z } from 'zod';
import { isMap, type WireMap, wireMap } from '../wire-value.ts';
import { actionsOf, faultText, type ServerDialect } from './server-dialect.ts';
import { invalid } from './sglang-server.ts';

const requestSchema = z.object({
  endpoint: z.enum(['infer', 'reset']).default('infer'),
  session_id: z.string().max(200).default('default'),
  seed: z.int().min(0).max(0xffff_ffff).optional(),
  sampling_params: z.object({ num_inference_steps: z.int().min(1).max(1000).optional() }).optional(),
});

/** vLLM-Omni's `/v1/realtime/robot/openpi`: its policy configuration first, a bare array back, errors leave it open. */
export const vllmOmniServer: ServerDialect = {
  name: 'vLLM-Omni',

  greeting({ spec }): WireMap {
    const width = spec.actionNames.length;
    const [camera] = spec.cameras;
    return wireMap({
      image_resolution:
        camera?.width === undefined ? undefined : [camera.height ?? camera.width, camera.width],
      n_external_cameras: spec.cameras.filter(({ name }) => !name.includes('wrist')).length,
      needs_wrist_camera: spec.cameras.some(({ name, optional }) => name.includes('wrist') && !optional),
      needs_stereo_camera: false,
      needs_session_id: false,
      action_space: 'joint_position',
      action_horizon: spec.chunkRows,
      action_dim: width,
      max_action_dim: width,
      max_cameras: spec.cameras.length,
    });
  },

  request(message) {
    const parameters = message.get('sampling_params');
    const parsed = requestSchema.safeParse({
      ...Object.fromEntries(message),
      ...(isMap(parameters) ? { sampling_params: Object.fromEntries(parameters) } : {}),
    });
    if (!parsed.success) throw invalid(parsed.error);
    const { endpoint, session_id: sessionId, seed, sampling_params: sampling } = parsed.data;
    if (endpoint === 'reset') return { kind: 'reset' };
    const options = { seed, flowSteps: sampling?.num_inference_steps };
    return { kind: 'infer', observation: message, options, extended: false, sessionId };
  },

  answer: ({ chunk }) => actionsOf(chunk),

  fault: (error) => ({ frame: wireMap({ type: 'error', message: faultText(error) }), ends: false }),
};

export const RESET_DONE: WireMap = wireMap({ status: 'reset successful' });
