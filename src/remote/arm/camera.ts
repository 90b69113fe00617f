import { setTimeout as pause } from 'node:timers/promises';
import { MyelinError } from '../../core/errors.ts';
import type { CameraFrame } from '../../core/observation.ts';
import { monotonicNs } from '../../platform/clock.ts';
import { CameraReader } from '../../segment/camera-ring.ts';

const POLL_MS = 5;

/** A camera's pictures, for user code. */
export class ArmCamera implements Disposable {
  readonly #reader: CameraReader;
  #seen = 0;

  private constructor(reader: CameraReader) {
    this.#reader = reader;
  }

  /** @throws MyelinError SEGMENT_MISSING when there is no such camera */
  static open(name: string): ArmCamera {
    // Behind a sandbox the rings lie where they cannot be written.
    const folder = process.env.MYELIN_CAMERAS;
    return new ArmCamera(CameraReader.open(name, folder === undefined ? {} : { folder }));
  }

  /** The newest picture, RGB; undefined before the first. */
  read(): CameraFrame | undefined {
    const frame = this.#reader.read();
    this.#seen = frame?.sequence ?? this.#seen;
    return frame;
  }

  /** Resolves with a picture that was not read before. @throws MyelinError CAMERA_SILENT */
  async next(timeoutS = 2): Promise<CameraFrame> {
    const deadlineNs = monotonicNs() + timeoutS * 1e9;
    for (;;) {
      const before = this.#seen;
      const frame = this.read();
      if (frame !== undefined && frame.sequence !== before) return frame;
      if (monotonicNs() > deadlineNs) {
        throw new MyelinError('CAMERA_SILENT', { name: this.#reader.name, seconds: timeoutS });
      }
      await pause(POLL_MS);
    }
  }

  close(): void {
    this.#reader.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
