import { MyelinError } from '../../core/errors.ts';

/** Where a robot's openpi client puts what; the same table serves the server, which reads it, and the client, which writes it. */
export interface RobotKeys {
  readonly name: 'aloha' | 'droid' | 'libero' | 'generic';
  /** Key of the map that holds the pictures; undefined when they stand beside the rest under whole keys. */
  readonly picturesIn?: string;
  readonly cameras: readonly RobotCamera[];
  /** Layout its client sends pictures in. */
  readonly layout: 'HWC' | 'CHW';
  /** Parts of the state in order, with how many numbers each holds. The last takes what is left. */
  readonly state: readonly { readonly key: string; readonly length?: number }[];
  /** What openpi's checkpoints for it answer. */
  readonly chunk?: { readonly rows: number; readonly dof: number };
}

export interface RobotCamera {
  readonly key: string;
  /** Camera slot of pi0 and pi0.5 models; a picture without one may be sent and is not looked at. */
  readonly slot?: string;
  /** Whether a client must send it. */
  readonly required?: boolean;
}

const BASE = 'base_0_rgb';
const LEFT = 'left_wrist_0_rgb';
const RIGHT = 'right_wrist_0_rgb';

/** openpi's robots, as its policies read them. */
export const ROBOTS: readonly RobotKeys[] = [
  {
    name: 'aloha',
    picturesIn: 'images',
    cameras: [
      { key: 'cam_high', slot: BASE, required: true },
      { key: 'cam_left_wrist', slot: LEFT },
      { key: 'cam_right_wrist', slot: RIGHT },
      { key: 'cam_low' },
    ],
    layout: 'CHW',
    state: [{ key: 'state', length: 14 }],
    chunk: { rows: 50, dof: 14 },
  },
  {
    name: 'droid',
    cameras: [
      { key: 'observation/exterior_image_1_left', slot: BASE, required: true },
      { key: 'observation/wrist_image_left', slot: LEFT },
      { key: 'observation/exterior_image_2_left' },
    ],
    layout: 'HWC',
    state: [
      { key: 'observation/joint_position', length: 7 },
      { key: 'observation/gripper_position', length: 1 },
    ],
    chunk: { rows: 15, dof: 8 },
  },
  {
    name: 'libero',
    cameras: [
      { key: 'observation/image', slot: BASE, required: true },
      { key: 'observation/wrist_image', slot: LEFT },
    ],
    layout: 'HWC',
    state: [{ key: 'observation/state', length: 8 }],
    chunk: { rows: 10, dof: 7 },
  },
];

/** Any robot: `observation/state`, and a map `images` of pictures by camera name. */
export const GENERIC: RobotKeys = {
  name: 'generic',
  picturesIn: 'images',
  cameras: [],
  layout: 'HWC',
  state: [{ key: 'observation/state' }],
};

/**
 * A robot by its name; undefined for none.
 * @throws MyelinError INVALID_ARGUMENT
 */
export function robotNamed(name: string | undefined): RobotKeys | undefined {
  if (name === undefined) return undefined;
  const all = [...ROBOTS, GENERIC];
  const found = all.find((robot) => robot.name === name);
  if (found !== undefined) return found;
  throw new MyelinError('INVALID_ARGUMENT', {
    name: 'the robot of openpi messages',
    value: name,
    allowed: all.map((robot) => robot.name).join(', '),
  });
}

/** `observation/wrist_image` is the camera `wrist_image`, `observation.images.front` is `front`. */
export const cameraOf = (key: string): string =>
  key.replace(/^observation[/.]/, '').replace(/^images?[/.]/, '');
