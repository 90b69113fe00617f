import { monotonicNs } from '../platform/clock.ts';
import type { SharedMemory } from '../platform/shared-memory.ts';
import { type Accessors, bind } from './fields.ts';
import { createSegment, openSegment, WORLD_SEGMENT } from './owned-segment.ts';
import { SequenceLock } from './sequence-lock.ts';
import { WORLD_LAYOUT, WORLD_SEGMENT_BYTES, WORLD_SEGMENT_PREFIX } from './world-layout.ts';

const STATE_START = WORLD_LAYOUT.stateSequence.offset;
const STATE_END = WORLD_LAYOUT.objectNames.offset + WORLD_LAYOUT.objectNames.length;
const POSE = 7;

const stateViews = (buffer: ArrayBuffer): Float64Array[] => [
  new Float64Array(buffer, STATE_START, (STATE_END - STATE_START) / 8),
];

/** A private copy of the world's state at one moment. */
export type WorldSnapshot = Accessors<typeof WORLD_LAYOUT> & { readonly views: readonly Float64Array[] };

/** Memory for {@link WorldSegment.readState}: make one and use it again and again. */
export function createWorldSnapshot(): WorldSnapshot {
  const buffer = new ArrayBuffer(WORLD_SEGMENT_BYTES);
  return Object.assign(bind(WORLD_LAYOUT, buffer), { views: stateViews(buffer) });
}

/** The simulated world's shared memory (`myelin_world_<name>`): the world writes, everyone else reads. */
export class WorldSegment implements Disposable {
  readonly fields: Accessors<typeof WORLD_LAYOUT>;
  readonly memory: SharedMemory;
  readonly #lock: SequenceLock;
  readonly #views: readonly Float64Array[];
  readonly #snapshot = createWorldSnapshot();
  #objects = new Map<string, Float64Array>();

  private constructor(memory: SharedMemory) {
    this.memory = memory;
    this.fields = bind(WORLD_LAYOUT, memory.buffer);
    this.#lock = new SequenceLock(new Uint32Array(memory.buffer), STATE_START / 4);
    this.#views = stateViews(memory.buffer);
  }

  /**
   * Makes the segment of the world called `name`; one that a dead world left is replaced.
   * @throws MyelinError SEGMENT_IN_USE, SEGMENT_NO_SPACE, SEGMENT_FOREIGN
   */
  static create(name: string, { arm }: { readonly arm: string }): WorldSegment {
    const memory = createSegment(
      WORLD_SEGMENT,
      `${WORLD_SEGMENT_PREFIX}${name}`,
      WORLD_SEGMENT_BYTES,
      (buffer) => {
        const fields = bind(WORLD_LAYOUT, buffer);
        fields.segmentBytes = WORLD_SEGMENT_BYTES;
        fields.createdNs = monotonicNs();
        fields.arm = arm;
      },
    );
    return new WorldSegment(memory);
  }

  /** @throws MyelinError SEGMENT_MISSING, SEGMENT_VERSION, SEGMENT_FOREIGN */
  static open(name: string): WorldSegment {
    return new WorldSegment(openSegment(WORLD_SEGMENT, `${WORLD_SEGMENT_PREFIX}${name}`, { readOnly: true }));
  }

  /** Whether the world lives. */
  get ownerAlive(): boolean {
    return this.memory.claimed();
  }

  /** Whether the name still leads here; false after a newer world took it over. */
  get current(): boolean {
    return this.memory.current;
  }

  /** Begins publishing a state: write `fields` between this and {@link end}. Allocates nothing. */
  begin(): void {
    this.#lock.begin();
  }

  end(): void {
    this.#lock.end();
  }

  /** Copies one whole state. False when the world stopped or died in the middle of writing. Allocates nothing. */
  readState(out: WorldSnapshot): boolean {
    return this.#lock.read(this.#views, out.views);
  }

  /**
   * Name to [x, y, z, qw, qx, qy, qz] in the arm's base frame, m; all from one moment. When the world stopped in the
   * middle of writing, what it said before.
   */
  readObjects(): Map<string, Float64Array> {
    if (!this.readState(this.#snapshot)) return this.#objects;
    const { objectNames, objectCount, objectPoses } = this.#snapshot;
    const names = objectNames === '' ? [] : objectNames.split(',');
    this.#objects = new Map(
      names
        .slice(0, objectCount)
        .map((name, index) => [name, objectPoses.slice(index * POSE, (index + 1) * POSE)]),
    );
    return this.#objects;
  }

  /** Removes the name, if it still leads here. */
  unlink(): void {
    this.memory.unlink();
  }

  close(): void {
    this.memory.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
