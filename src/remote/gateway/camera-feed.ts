import type { Clock } from '../../core/clock.ts';
import { CameraReader, listCameras } from '../../segment/camera-ring.ts';
import type { Picture } from './camera-packet.ts';
import { type CameraState, wireNumber } from './telemetry.ts';

/** How often it looks for cameras that came or went, ms. */
const SEARCH_PERIOD_MS = 1000;

interface Watched {
  readonly reader: CameraReader;
  sentSequence: number;
  capturedNs: number | undefined;
}

/** All cameras of this machine, or the named ones. Follows them as they come, go and come back. */
export class CameraFeed {
  readonly #clock: Clock;
  readonly #wanted: readonly string[] | undefined;
  readonly #cameras = new Map<string, Watched>();
  #searchedNs = Number.NEGATIVE_INFINITY;

  /** @param wanted names of the cameras to show; all of them when left out */
  constructor(clock: Clock, wanted?: readonly string[]) {
    this.#clock = clock;
    this.#wanted = wanted;
  }

  states(): CameraState[] {
    this.#search();
    const nowNs = this.#clock.nowNs();
    return [...this.#cameras].map(([name, { reader, capturedNs }]) => ({
      name,
      width: reader.width,
      height: reader.height,
      ageMs: capturedNs === undefined ? null : wireNumber((nowNs - capturedNs) / 1e6),
    }));
  }

  /** Pictures newer than those of the last call, one a camera. */
  pictures(): Picture[] {
    const nowNs = this.#clock.nowNs();
    const pictures: Picture[] = [];
    for (const [name, watched] of this.#cameras) {
      const frame = this.#read(name, watched);
      if (frame === undefined || frame.sequence === watched.sentSequence) continue;
      watched.sentSequence = frame.sequence;
      watched.capturedNs = frame.capturedNs;
      const { width, height, sequence, rgb } = frame;
      pictures.push({ name, width, height, sequence, ageMs: (nowNs - frame.capturedNs) / 1e6, rgb });
    }
    return pictures;
  }

  close(): void {
    for (const { reader } of this.#cameras.values()) reader.close();
    this.#cameras.clear();
  }

  #read(name: string, { reader }: Watched) {
    try {
      return reader.read();
    } catch {
      this.#forget(name); // Its ring became something else; a later search finds the new one.
      return undefined;
    }
  }

  #search(): void {
    const nowNs = this.#clock.nowNs();
    if (nowNs - this.#searchedNs < SEARCH_PERIOD_MS * 1e6) return;
    this.#searchedNs = nowNs;
    const alive = listCameras()
      .filter((camera) => camera.alive && (this.#wanted?.includes(camera.name) ?? true))
      .map((camera) => camera.name);
    for (const name of this.#cameras.keys()) if (!alive.includes(name)) this.#forget(name);
    for (const name of alive) if (!this.#cameras.has(name)) this.#open(name);
  }

  #open(name: string): void {
    try {
      this.#cameras.set(name, { reader: CameraReader.open(name), sentSequence: 0, capturedNs: undefined });
    } catch {
      // Gone between the search and now: the next search tells.
    }
  }

  #forget(name: string): void {
    this.#cameras.get(name)?.reader.close();
    this.#cameras.delete(name);
  }
}
