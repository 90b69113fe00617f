import { MyelinError } from '../core/errors.ts';
import { VideoDevice, type VideoRequest } from '../platform/v4l2.ts';
import { DRAW } from './pixel-formats.ts';
import type { PictureSource } from './source.ts';

/**
 * Pictures of a camera behind Video4Linux. One that gives none for `stallMs` is given up.
 * @throws MyelinError CAMERA_UNAVAILABLE
 */
export function openV4l2Source(path: string, request: VideoRequest, stallMs: number): PictureSource {
  const device = new VideoDevice(path, request);
  const { width, height, stride, format, card } = device;
  return {
    name: `${card} at ${path}, ${width}x${height} ${format}`,
    width,
    height,
    async next(rgb) {
      // A camera that hangs gives nothing and no error; ending the stream frees the thread that waits for it.
      let stalled = false;
      const watch = setTimeout(() => {
        stalled = true;
        device.stop();
      }, stallMs);
      const picture = await device.next().finally(() => clearTimeout(watch));
      if (stalled) {
        throw new MyelinError('CAMERA_UNAVAILABLE', {
          camera: path,
          reason: `no picture for ${stallMs / 1000} s`,
          advice: 'Plug it out and in again; two cameras on one USB hub may need more than it carries.',
        });
      }
      if (picture === undefined) return undefined;
      const shape = { width, height, stride };
      const drawn = !picture.damaged && (await DRAW[format](picture.bytes, shape, rgb));
      device.release(picture);
      return drawn ? picture.capturedNs : Number.NaN;
    },
    stop: () => device.stop(),
    close: () => device.close(),
  };
}
