import { ACTION, type Feature, STATE } from '../features.ts';

const picture: Feature = { type: 'VISUAL', shape: [3, 480, 640] };

/** What the full-size configurations here take and give: a 7-axis arm with two cameras of 640x480. */
export const sevenAxes = (): {
  readonly input_features: Record<string, Feature>;
  readonly output_features: Record<string, Feature>;
} => ({
  input_features: {
    [STATE]: { type: 'STATE', shape: [7] },
    'observation.images.external': picture,
    'observation.images.wrist': picture,
  },
  output_features: { [ACTION]: { type: 'ACTION', shape: [7] } },
});
