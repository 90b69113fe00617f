import { rmSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { SharedMemory } from '../platform/shared-memory.ts';
import { CAMERA_LAYOUT } from './camera-layout.ts';
import { CameraReader, CameraWriter, cameraSegmentName, listCameras } from './camera-ring.ts';

const camera = `test_${process.pid}`;
const size = { width: 7, height: 5, frequencyHz: 30 };
const draw = (writer: CameraWriter, value: number): void => {
  writer.frame.fill(value);
  writer.publish(value * 1e6, value);
};

describe('camera ring', () => {
  afterEach(() => rmSync(`/dev/shm/${cameraSegmentName(camera)}`, { force: true }));

  it('gives the newest picture, in memory of its own', () => {
    using writer = CameraWriter.create(camera, size);
    using reader = CameraReader.open(camera);
    expect([reader.read(), reader.sequence, reader.frequencyHz]).toEqual([undefined, 0, 30]);
    for (let value = 1; value <= 10; value++) {
      draw(writer, value);
      const frame = reader.read();
      expect(frame).toMatchObject({
        name: camera,
        width: 7,
        height: 5,
        sequence: value,
        capturedNs: value * 1e6,
      });
      draw(writer, ++value);
      expect(frame?.rgb).toEqual(new Uint8Array(7 * 5 * 3).fill(value - 1));
    }
  });

  it('lets the writer draw without readers seeing it', () => {
    using writer = CameraWriter.create(camera, size);
    using reader = CameraReader.open(camera);
    for (let value = 1; value <= 9; value++) {
      draw(writer, value);
      writer.frame.fill(255);
      expect(reader.read()?.rgb[0]).toBe(value);
    }
  });

  it('is listed while its writer has it, and disappears with it', () => {
    const writer = CameraWriter.create(camera, size);
    expect(listCameras()).toContainEqual({ name: camera, alive: true });
    expect(() => CameraWriter.create(camera, size)).toThrow(/belongs to process/);
    writer.close();
    writer.close();
    expect(listCameras().map(({ name }) => name)).not.toContain(camera);
    expect(() => CameraReader.open(camera)).toThrow(/no shared memory segment/);
  });

  it('refuses a size no camera has and a ring whose header lies', () => {
    for (const width of [0, -1, 1.5, 1e6]) {
      expect(() => CameraWriter.create(camera, { ...size, width })).toThrow(/The picture size/);
    }
    using _writer = CameraWriter.create(camera, size);
    using memory = SharedMemory.open(cameraSegmentName(camera));
    new Uint32Array(memory.buffer)[CAMERA_LAYOUT.width.offset / 4] = 1e6;
    expect(() => CameraReader.open(camera)).toThrow(/not a whole camera ring/);
  });
});
