import { setTimeout as pause } from 'node:timers/promises';
import { MyelinError } from '../core/errors.ts';
import { monotonicNs, unixS } from '../platform/clock.ts';
import { CameraWriter } from '../segment/camera-ring.ts';
import { createWorldSnapshot, WorldSegment } from '../segment/world-segment.ts';
import { type CameraView, Renderer } from './render/renderer.ts';
import { WORLD_ARMS } from './scene.ts';
import { DEFAULT_WORLD } from './world-paths.ts';

/** The cameras the scene has. */
export const WORLD_CAMERAS = ['external', 'wrist'] as const;

export interface WorldCamera {
  /** Camera of the scene. */
  readonly camera: string;
  /** Name of the ring its pictures go to. */
  readonly ring: string;
}

export interface WorldCamerasOptions {
  readonly world?: string;
  /** Default: every camera of the scene, each into a ring of its own name. */
  readonly cameras?: readonly WorldCamera[];
  /** Pixels. Default 160 x 120. */
  readonly width?: number;
  readonly height?: number;
  /** Pictures a second. Default 30. */
  readonly frequencyHz?: number;
  /** Ends it. */
  readonly signal: AbortSignal;
  /** Something a person should know, a sentence. */
  readonly onEvent?: (text: string) => void;
}

const WORLD_CHECK_MS = 200;

/**
 * Draws what the simulated world's cameras see, in a process of its own: it mirrors positions from the world's
 * segment. While there is no world it waits for one; the last pictures stay, and their age tells.
 * @throws MyelinError SEGMENT_IN_USE when another process is that camera, INVALID_ARGUMENT
 */
export async function runWorldCameras(options: WorldCamerasOptions): Promise<void> {
  const { signal, frequencyHz = 30, width = 160, height = 120, world = DEFAULT_WORLD } = options;
  const cameras = options.cameras ?? WORLD_CAMERAS.map((camera) => ({ camera, ring: camera }));
  const writers: CameraWriter[] = [];
  try {
    for (const { ring } of cameras) writers.push(CameraWriter.create(ring, { width, height, frequencyHz }));
    while (!signal.aborted) {
      const segment = await waitForWorld(world, options);
      if (segment === undefined) continue;
      for (const { camera, ring } of cameras)
        options.onEvent?.(`camera ${ring}: ${camera} of the world "${world}", ${width}x${height}`);
      await film(segment, cameras, writers, frequencyHz, signal);
    }
  } finally {
    for (const writer of writers) writer.close();
  }
}

/** The world's segment as soon as there is one; undefined when asked to end first. */
async function waitForWorld(name: string, options: WorldCamerasOptions): Promise<WorldSegment | undefined> {
  let isTold = false;
  while (!options.signal.aborted) {
    try {
      return WorldSegment.open(name);
    } catch (thrown) {
      if (!(thrown instanceof MyelinError && thrown.retryable)) throw thrown;
      if (!isTold) options.onEvent?.(`waiting for the world "${name}"`);
      isTold = true;
    }
    await pause(WORLD_CHECK_MS, undefined, { signal: options.signal }).catch(() => undefined);
  }
  return undefined;
}

/** Takes pictures until the world ends. */
async function film(
  segment: WorldSegment,
  cameras: readonly WorldCamera[],
  writers: readonly CameraWriter[],
  frequencyHz: number,
  signal: AbortSignal,
): Promise<void> {
  const arm = WORLD_ARMS.find((name) => name === segment.fields.arm);
  if (arm === undefined) throw new RangeError(`no scene for the arm "${segment.fields.arm}"`);
  const renderer = await Renderer.create(arm);
  try {
    const views = cameras.map(({ camera }, i) => viewOf(renderer, camera, writers[i]!));
    const snapshot = createWorldSnapshot();
    const periodMs = 1000 / frequencyHz;
    let nextMs = performance.now();
    for (let count = 0; !signal.aborted; count += 1) {
      if (count % frequencyHz < 1 && !(segment.ownerAlive && segment.current)) return;
      if (segment.readState(snapshot)) {
        renderer.setPositions(snapshot.qpos);
        for (let i = 0; i < views.length; i += 1) {
          renderer.render(views[i]!, writers[i]!.frame);
          writers[i]!.publish(snapshot.timeNs, unixS() - (monotonicNs() - snapshot.timeNs) / 1e9);
        }
      }
      const nowMs = performance.now();
      nextMs = Math.max(nextMs + periodMs, nowMs);
      await pause(nextMs - nowMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    renderer.close();
    segment.close();
  }
}

function viewOf(renderer: Renderer, camera: string, { width, height }: CameraWriter): CameraView {
  const view = renderer.view(camera, width, height);
  if (view !== undefined) return view;
  throw new MyelinError('INVALID_ARGUMENT', {
    name: '--camera',
    value: camera,
    allowed: `one of ${renderer.cameraNames.join(', ')}`,
  });
}
