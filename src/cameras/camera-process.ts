import { MyelinError, toMyelinError } from '../core/errors.ts';
import { monotonicNs, unixS } from '../platform/clock.ts';
import { CameraWriter } from '../segment/camera-ring.ts';
import { openFileSource } from './file-source.ts';
import type { PictureSource } from './source.ts';
import { openV4l2Source } from './v4l2-source.ts';

export interface CameraOptions {
  /** Name of the ring: pictures appear in `myelin_cam_<name>`. */
  readonly name: string;
  /** `/dev/video0`, its number `0`, or `file:PATH` for a picture or a folder of pictures. */
  readonly source: string;
  /** Asked of the camera, which may settle for another size. Default 640. */
  readonly width?: number;
  /** Default 480. */
  readonly height?: number;
  /** Default 30. */
  readonly frequencyHz?: number;
  /** A camera that gives no picture for this long is taken for hanging and is opened anew, ms. Default 3000. */
  readonly stallMs?: number;
  /** Ends the camera when it aborts. */
  readonly signal: AbortSignal;
  /** Something to tell: what was opened, what went wrong. One sentence each. */
  readonly onEvent: (text: string) => void;
}

const RETRY_MS = 1000;

/**
 * Puts a camera's pictures into its ring until `signal` aborts. A camera that is unplugged or hangs is opened
 * again until it is back; one that cannot be used at the start is an error at once.
 * @throws MyelinError CAMERA_UNAVAILABLE, FILE_NOT_FOUND, PICTURE_INVALID, SEGMENT_IN_USE, INVALID_ARGUMENT
 */
export async function runCamera(options: CameraOptions): Promise<void> {
  const { signal, onEvent } = options;
  let source: PictureSource | undefined = openSource(options);
  while (!signal.aborted) {
    try {
      source ??= openSource(options);
      await film(source, options);
    } catch (thrown) {
      const error = toMyelinError(thrown);
      if (error.code !== 'CAMERA_UNAVAILABLE') throw error;
      onEvent(`camera ${options.name}: ${error.message}; trying again (${error.hint})`);
      await pause(RETRY_MS, signal);
    } finally {
      source?.close();
      source = undefined;
    }
  }
}

function openSource(options: CameraOptions): PictureSource {
  const { source, width = 640, height = 480, frequencyHz = 30, stallMs = 3000 } = options;
  if (source.startsWith('file:')) return openFileSource(source.slice('file:'.length), frequencyHz);
  const path = /^\d+$/.test(source) ? `/dev/video${source}` : source;
  if (!path.startsWith('/')) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'The camera source',
      value: source,
      allowed: 'a device (/dev/video0), its number (0), or file:PATH',
    });
  }
  return openV4l2Source(path, { width, height, frequencyHz }, stallMs);
}

async function film(source: PictureSource, options: CameraOptions): Promise<void> {
  const { name, frequencyHz = 30, signal, onEvent } = options;
  const { width, height } = source;
  using writer = CameraWriter.create(name, { width, height, frequencyHz });
  onEvent(`camera ${name}: ${source.name}`);
  const stop = (): void => source.stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) return;
    for (;;) {
      const capturedNs = await source.next(writer.frame);
      if (capturedNs === undefined || signal.aborted) return;
      if (!Number.isNaN(capturedNs)) writer.publish(capturedNs, unixS() - (monotonicNs() - capturedNs) / 1e9);
    }
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    if (signal.aborted) return done();
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      done();
    });
  });
