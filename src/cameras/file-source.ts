import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MyelinError } from '../core/errors.ts';
import { monotonicNs } from '../platform/clock.ts';
import { decodePicture, type Picture } from './picture.ts';
import type { PictureSource } from './source.ts';

const MAX_BYTES = 1 << 30;

/**
 * Plays a picture, or a folder of pictures in the order of their names, at a steady rate, over and over.
 * @throws MyelinError FILE_NOT_FOUND, PICTURE_INVALID
 */
export function openFileSource(path: string, frequencyHz: number): PictureSource {
  const pictures = load(path);
  const { width, height } = pictures[0]!;
  const periodNs = 1e9 / frequencyHz;
  let dueNs = monotonicNs();
  let shown = 0;
  let stopped = false;
  let wake: (() => void) | undefined;
  return {
    name: `${pictures.length} picture(s) of ${path}, ${width}x${height}`,
    width,
    height,
    async next(rgb) {
      // After a pause longer than a period the pictures go on from now, rather than hurry to catch up.
      dueNs = Math.max(dueNs + periodNs, monotonicNs() - periodNs);
      const waitMs = (dueNs - monotonicNs()) / 1e6;
      await new Promise<void>((done) => {
        wake = done;
        if (stopped) done();
        else setTimeout(done, Math.max(0, waitMs));
      });
      if (stopped) return undefined;
      rgb.set(pictures[shown++ % pictures.length]!.rgb);
      return monotonicNs();
    },
    stop() {
      stopped = true;
      wake?.();
    },
    close() {
      this.stop();
    },
  };
}

function load(path: string): Picture[] {
  let files: string[];
  try {
    files = statSync(path).isDirectory()
      ? readdirSync(path)
          .filter((name) => /\.(png|ppm)$/i.test(name))
          .sort()
          .map((name) => join(path, name))
      : [path];
  } catch (cause) {
    throw new MyelinError('FILE_NOT_FOUND', { file: path }, { cause });
  }
  if (files.length === 0) {
    throw new MyelinError('PICTURE_INVALID', { file: path, reason: 'the folder holds no .png or .ppm file' });
  }
  const pictures: Picture[] = [];
  let bytes = 0;
  for (const file of files) {
    const picture = decodePicture(file, readFileSync(file));
    const { width, height } = pictures[0] ?? picture;
    bytes += picture.rgb.length;
    if (picture.width !== width || picture.height !== height) {
      const reason = `it is ${picture.width}x${picture.height} and the first one ${width}x${height}`;
      throw new MyelinError('PICTURE_INVALID', { file, reason });
    }
    if (bytes > MAX_BYTES) {
      throw new MyelinError('PICTURE_INVALID', {
        file,
        reason: 'the pictures need more than 1 GiB of memory',
      });
    }
    pictures.push(picture);
  }
  return pictures;
}
