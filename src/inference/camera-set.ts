import { toMyelinError } from '../core/errors.ts';
import type { CameraFrame } from '../core/observation.ts';
import { CameraReader } from '../segment/camera-ring.ts';

/** A camera the policy needs, and the ring its pictures come from. */
export interface CameraBinding {
  readonly camera: string;
  readonly ring: string;
}

export interface CameraView {
  readonly frames: ReadonlyMap<string, CameraFrame>;
  /** Age of the oldest frame, ms; 0 without cameras. */
  readonly ageMs: number;
  /** Why no observation can be made of it, in a sentence; undefined when all is well. */
  readonly problem: string | undefined;
}

/** The cameras of a policy. Rings may appear, vanish and come back at any time: each look takes what is there. */
export class CameraSet implements Disposable {
  readonly #bindings: readonly CameraBinding[];
  readonly #maxAgeMs: number;
  readonly #readers = new Map<string, CameraReader>();

  constructor(bindings: readonly CameraBinding[], { maxAgeMs = 500 }: { readonly maxAgeMs?: number } = {}) {
    this.#bindings = bindings;
    this.#maxAgeMs = maxAgeMs;
  }

  /** The newest frame of every camera. */
  look(nowNs: number): CameraView {
    const frames = new Map<string, CameraFrame>();
    let ageMs = 0;
    let problem: string | undefined;
    for (const { camera, ring } of this.#bindings) {
      const frame = this.#read(ring);
      if (typeof frame === 'string') {
        problem ??= `camera ${camera}: ${frame}`;
        continue;
      }
      const age = (nowNs - frame.capturedNs) / 1e6;
      ageMs = Math.max(ageMs, age);
      if (age > this.#maxAgeMs) problem ??= `camera ${camera}: its newest frame is ${age.toFixed(0)} ms old`;
      frames.set(camera, { ...frame, name: camera });
    }
    return { frames, ageMs, problem };
  }

  close(): void {
    for (const reader of this.#readers.values()) reader.close();
    this.#readers.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #read(ring: string): CameraFrame | string {
    let reader = this.#readers.get(ring);
    if (reader !== undefined && !reader.writerAlive) {
      reader.close();
      this.#readers.delete(ring);
      reader = undefined;
    }
    if (reader === undefined) {
      try {
        reader = CameraReader.open(ring);
      } catch (thrown) {
        return toMyelinError(thrown).message;
      }
      this.#readers.set(ring, reader);
    }
    return reader.read() ?? 'no frame yet';
  }
}
