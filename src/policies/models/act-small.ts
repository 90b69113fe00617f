import { type ActConfig, actConfig } from './act-config.ts';

/** An ACT configuration of a few thousand weights that sees no pictures: for tests that open many checkpoints. */
export const smallActConfig = (): ActConfig =>
  actConfig({
    input_features: {
      'observation.state': { type: 'STATE', shape: [3] },
      'observation.environment_state': { type: 'ENV', shape: [7] },
    },
    output_features: { action: { type: 'ACTION', shape: [3] } },
    dim_model: 8,
    n_heads: 2,
    dim_feedforward: 8,
    n_encoder_layers: 1,
    latent_dim: 4,
    chunk_size: 5,
    n_action_steps: 2,
  });
