import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CameraFrame } from '../src/core/observation.ts';
import { monotonicNs } from '../src/platform/clock.ts';
import { V4L2_STRUCT_BYTES, VIDIOC } from '../src/platform/v4l2.ts';
import { CameraReader } from '../src/segment/camera-ring.ts';
import { type Started, sharedMemoryWith, start, uniqueName, until } from './support/processes.ts';

const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
if (compiler === undefined) {
  console.log(
    'skipped: the tests of Video4Linux cameras need a C compiler, which this machine does not have',
  );
}

describe('camera process', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'myelin-camera-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const camera = (name: string, source: string, env: NodeJS.ProcessEnv = {}, stallMs = 3000): Started =>
    start([process.execPath, 'test/support/camera-child.mjs', name, source, String(stallMs)], env);

  /** Collects `count` different pictures. */
  const watch = async (reader: CameraReader, count: number): Promise<CameraFrame[]> => {
    const frames: CameraFrame[] = [];
    await until(`${count} pictures came`, () => {
      const frame = reader.read();
      if (frame !== undefined && frame.sequence !== frames.at(-1)?.sequence) frames.push(frame);
      return frames.length >= count;
    });
    return frames;
  };

  const endsCleanly = async (process: Started, name: string): Promise<void> => {
    process.child.kill('SIGTERM');
    expect(await process.exited).toBe(0);
    expect(sharedMemoryWith(name)).toEqual([]);
  };

  it('plays a folder of pictures over and over', async () => {
    for (const value of [10, 20]) {
      const pixels = Buffer.alloc(4 * 3 * 3, value);
      writeFileSync(join(folder, `${value}.ppm`), Buffer.concat([Buffer.from('P6\n4 3\n255\n'), pixels]));
    }
    const name = uniqueName('test_files');
    const player = camera(name, `file:${folder}`);
    await player.says(/2 picture\(s\)/);
    using reader = CameraReader.open(name);
    const frames = await watch(reader, 6);
    expect(new Set(frames.map(({ rgb }) => rgb[35]))).toEqual(new Set([10, 20]));
    await endsCleanly(player, name);
  });

  it('says what is wrong with a source that cannot be used', async () => {
    const outcome = async (source: string): Promise<string> => {
      const tried = camera(uniqueName('test_wrong'), source);
      expect(await tried.exited).toBe(1);
      return tried.output();
    };
    expect(await outcome('/dev/video-none')).toMatch(
      /CAMERA_UNAVAILABLE: .*video-none .* ENOENT \(See which there are/,
    );
    expect(await outcome('/dev/null')).toMatch(/CAMERA_UNAVAILABLE: .*it is no camera/);
    expect(await outcome('file:/no/such')).toMatch(/FILE_NOT_FOUND/);
    expect(await outcome('nonsense')).toMatch(/INVALID_ARGUMENT/);
  });

  describe.skipIf(compiler === undefined)('with Video4Linux', () => {
    let shim = '';
    beforeAll(() => {
      shim = join(folder, 'fake-v4l2.so');
      const built = spawnSync(
        compiler!,
        ['-shared', '-fPIC', '-O1', '-o', shim, 'test/support/fake-v4l2.c', '-ldl'],
        {
          encoding: 'utf8',
        },
      );
      expect(built.stderr).toBe('');
    });
    const fake = (name: string, env: NodeJS.ProcessEnv = {}, stallMs = 3000): Started =>
      camera(name, '/dev/video-fake', { LD_PRELOAD: shim, ...env }, stallMs);

    it('speaks the requests and structures of the C headers', () => {
      const source = join(folder, 'sizes.c');
      const program = join(folder, 'sizes');
      const lines = [
        ...Object.keys(VIDIOC).map((name) => `printf("%lu ", (unsigned long)VIDIOC_${name});`),
        ...Object.keys(V4L2_STRUCT_BYTES).map((name) => `printf("%zu ", sizeof(struct ${name}));`),
      ];
      writeFileSync(
        source,
        `#include <stdio.h>\n#include <linux/videodev2.h>\nint main(void) {\n${lines.join('\n')}\n}\n`,
      );
      expect(spawnSync(compiler!, ['-o', program, source]).status).toBe(0);
      const told = spawnSync(program, [], { encoding: 'utf8' }).stdout.trim().split(' ').map(Number);
      expect(told).toEqual([...Object.values(VIDIOC), ...Object.values(V4L2_STRUCT_BYTES)]);
    });

    it('converts YUYV rows with padding, stamps pictures with the driver time, and drops damaged ones', async () => {
      const name = uniqueName('test_yuyv');
      const filming = fake(name);
      await filming.says(/Fake Camera at \/dev\/video-fake, 64x48 YUYV/);
      using reader = CameraReader.open(name);
      const frames = await watch(reader, 12);
      expect([reader.width, reader.height]).toEqual([64, 48]);
      for (const { rgb, capturedNs } of frames) {
        const grey = rgb[0]!;
        expect(rgb.every((value) => value === grey)).toBe(true);
        // Luma 16 + n in video range is 255 / 219 n, and no n that is a multiple of 5 may come.
        const n = Math.round((grey * 219) / 255);
        expect(n % 5).not.toBe(0);
        expect(monotonicNs() - capturedNs).toBeGreaterThan(0);
        expect(monotonicNs() - capturedNs).toBeLessThan(20e9);
      }
      await endsCleanly(filming, name);
    });

    it('takes RGB as it is', async () => {
      const name = uniqueName('test_rgb');
      const filming = fake(name, { FAKE_FORMAT: 'RGB3' });
      await filming.says(/RGB3/);
      using reader = CameraReader.open(name);
      for (const { rgb } of await watch(reader, 5)) {
        const first = rgb[0]!;
        expect([...rgb.subarray(-3)]).toEqual([first, (first + 1) & 255, (first + 2) & 255]);
      }
      await endsCleanly(filming, name);
    });

    it('comes back after it was unplugged, and its readers with it', async () => {
      const name = uniqueName('test_unplug');
      const filming = fake(name, { FAKE_FRAMES: '6' });
      await filming.says(/Fake Camera/);
      using reader = CameraReader.open(name);
      await watch(reader, 2);
      await filming.says(/ENODEV; trying again \(Is it still plugged in\?\)\n.*Fake Camera/);
      await until('pictures come again', () => (reader.read()?.sequence ?? 0) > 8);
      await endsCleanly(filming, name);
    });

    it('notices a camera that hangs, and can be ended all the same', async () => {
      const name = uniqueName('test_stall');
      const filming = fake(name, { FAKE_STALL: '1' }, 200);
      await filming.says(/no picture for 0.2 s; trying again/);
      await filming.says(/trying again[\s\S]*Fake Camera/);
      await endsCleanly(filming, name);
    });

    it('decodes motion JPEG', async () => {
      const jpeg = join(folder, 'frame.jpg');
      await sharp({ create: { width: 64, height: 48, channels: 3, background: { r: 200, g: 100, b: 50 } } })
        .jpeg({ quality: 95 })
        .toFile(jpeg);
      const name = uniqueName('test_mjpg');
      const filming = fake(name, { FAKE_FORMAT: 'MJPG', FAKE_JPEG: jpeg });
      await filming.says(/64x48 MJPG/);
      using reader = CameraReader.open(name);
      for (const { rgb } of await watch(reader, 6)) {
        for (const [channel, value] of [200, 100, 50].entries())
          expect(Math.abs(rgb[3 * 700 + channel]! - value)).toBeLessThanOrEqual(4);
      }
      await endsCleanly(filming, name);
    });

    it('refuses a camera that gives only formats it cannot read', async () => {
      const filming = fake(uniqueName('test_h264'), { FAKE_FORMAT: 'H264' });
      expect(await filming.exited).toBe(1);
      expect(filming.output()).toMatch(/it offers H264 and not RGB3 or YUYV or MJPG/);
    });
  });
});
