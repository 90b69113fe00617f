import { readdirSync } from 'node:fs';
import { CAMERA_SEGMENT_PREFIX } from '../../segment/camera-layout.ts';

/** Names of the cameras there are. */
export const cameras = (): string[] =>
  readdirSync(process.env.MYELIN_CAMERAS ?? '/dev/shm')
    .filter((name) => name.startsWith(CAMERA_SEGMENT_PREFIX) && !name.endsWith('.new'))
    .map((name) => name.slice(CAMERA_SEGMENT_PREFIX.length))
    .sort();
