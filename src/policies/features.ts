import { z } from 'zod';

/** Names LeRobot gives to what flows in and out of a policy. */
export const STATE = 'observation.state';
export const ENVIRONMENT_STATE = 'observation.environment_state';
export const ACTION = 'action';
const PICTURES = 'observation.images.';

const extent = z.int().positive().max(1_000_000);

export const featureSchema = z.looseObject({
  type: z.enum(['STATE', 'VISUAL', 'ENV', 'ACTION', 'REWARD', 'LANGUAGE']),
  shape: z.array(extent).max(8),
});

export const normModeSchema = z.enum(['IDENTITY', 'MEAN_STD', 'MIN_MAX', 'QUANTILES', 'QUANTILE10']);

export type Feature = z.infer<typeof featureSchema>;
export type NormMode = z.infer<typeof normModeSchema>;

/** `observation.images.wrist` is the camera `wrist`; a lone `observation.image` is the camera `image`. */
export function cameraName(feature: string): string {
  return feature.startsWith(PICTURES)
    ? feature.slice(PICTURES.length)
    : feature.replace(/^observation\./, '');
}

/** The names a camera's pictures may go by. */
export function pictureFeatures(camera: string): readonly string[] {
  return [`${PICTURES}${camera}`, `observation.${camera}`];
}
