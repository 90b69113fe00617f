import { z } from 'zod';
import { EXTENSION, realTimeSupportSchema, writeExtension } from '../extension.ts';
import { float64Array, uint8Array } from '../ndarray.ts';
import { cameraOf, type RobotKeys } from '../robot-keys.ts';
import { toPlanes } from '../wire-picture.ts';
import { isMap, toPlain, type WireMap, type WireValue } from '../wire-value.ts';
import type { ClientDialect, ClientRequest, RemotePolicy } from './client-dialect.ts';

const names = z.array(z.string().max(200)).max(1000);
const size = z.int().min(1).max(100_000).optional();

/** A Myelin server describes its policy in the metadata; openpi's own says next to nothing. */
const descriptionSchema = z.object({
  policy: z.string().max(500),
  cameras: z
    .array(
      z.object({ name: z.string().max(200), width: size, height: size, optional: z.boolean().optional() }),
    )
    .max(64),
  state_names: names,
  action_names: names.min(1),
  chunk_rows: z.int().min(1).max(100_000),
  action_steps: z.int().min(1).max(100_000),
  step_period_s: z.number().positive().optional(),
  subtasks: z.boolean(),
  looks_back: z.boolean().optional(),
  real_time_chunking: realTimeSupportSchema.optional(),
});

/** openpi's clients send squares of this side; its own policies take no other. */
const PICTURE_SIDE = 224;

/** openpi's own server, or a Myelin one. */
export const stockClient: ClientDialect = {
  name: 'openpi',

  describe(metadata, robot): RemotePolicy {
    const own = descriptionSchema.safeParse(toPlain(metadata.get(EXTENSION)));
    if (own.success) return describeMyelin(own.data);
    return {
      name: `openpi ${robot.name}`,
      cameras: robot.cameras.map(({ key, slot }) => ({
        name: cameraOf(key),
        optional: slot !== 'base_0_rgb',
      })),
      chunkRows: robot.chunk?.rows,
      actionNames: robot.chunk && Array.from({ length: robot.chunk.dof }, (_, i) => `action_${i}`),
      normalises: 'server',
      pictureSide: PICTURE_SIDE,
    };
  },

  request({ observation, pictures, state, robot, options, remote }: ClientRequest): WireMap {
    const message = new Map<string, WireValue>();
    if (remote.extended) {
      message.set('observation/state', float64Array(state));
      message.set(
        'images',
        new Map(
          [...pictures].map(([name, { rgb, width, height }]) => [name, uint8Array(rgb, [height, width, 3])]),
        ),
      );
      message.set(EXTENSION, writeExtension(options));
    } else writeRobot(message, robot, pictures, state);
    message.set('prompt', observation.task);
    return message;
  },

  actions(reply) {
    if ('text' in reply) return { failure: reply.text };
    if (isMap(reply.value)) return { value: reply.value.get('actions') };
    return { failure: 'an answer that is no map' };
  },
};

function describeMyelin(own: z.infer<typeof descriptionSchema>): RemotePolicy {
  return {
    name: own.policy,
    cameras: own.cameras.map(({ name, width, height, optional }) => ({
      name,
      ...(width === undefined || height === undefined ? {} : { width, height }),
      ...(optional ? { optional } : {}),
    })),
    stateNames: own.state_names,
    actionNames: own.action_names,
    chunkRows: own.chunk_rows,
    actionSteps: own.action_steps,
    stepPeriodS: own.step_period_s,
    normalises: 'server',
    pictureSide: own.cameras.some(({ width }) => width !== undefined) ? undefined : PICTURE_SIDE,
    extended: true,
    subtasks: own.subtasks,
    looksBack: own.looks_back ?? false,
    realTime: own.real_time_chunking,
  };
}

/** Pictures and state under the robot's own keys. */
function writeRobot(
  message: Map<string, WireValue>,
  robot: RobotKeys,
  pictures: ClientRequest['pictures'],
  state: Float64Array,
): void {
  const nested = new Map<string, WireValue>();
  const place = robot.picturesIn === undefined ? message : nested;
  for (const [name, { rgb, width, height }] of pictures) {
    const key = robot.cameras.find((camera) => cameraOf(camera.key) === name)?.key ?? name;
    place.set(
      key,
      robot.layout === 'HWC'
        ? uint8Array(rgb, [height, width, 3])
        : uint8Array(toPlanes(rgb), [3, height, width]),
    );
  }
  if (robot.picturesIn !== undefined) message.set(robot.picturesIn, nested);
  let at = 0;
  for (const { key, length = state.length - at } of robot.state) {
    message.set(key, float64Array(state.slice(at, at + length)));
    at += length;
  }
}
