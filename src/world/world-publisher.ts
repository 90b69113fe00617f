import type { WorldSegment } from '../segment/world-segment.ts';
import type { World } from './world.ts';

const POSE = 7;

/** Writes the world's state into its segment. Allocates nothing. */
export class WorldPublisher {
  readonly #world: World;
  readonly #segment: WorldSegment;

  constructor(world: World, segment: WorldSegment) {
    this.#world = world;
    this.#segment = segment;
    segment.begin();
    segment.fields.objectNames = world.physics.objects.map(({ name }) => name).join(',');
    segment.end();
  }

  /** `nowNs` is the monotonic time of this state, `stepNs` how long the last physics step took. */
  publish(nowNs: number, stepNs: number): void {
    const world = this.#world;
    const { physics } = world;
    const { fields } = this.#segment;
    this.#segment.begin();
    fields.seed = world.seed;
    fields.resets = world.resets;
    fields.simulatedS = world.simulatedS;
    fields.timeNs = nowNs;
    fields.stepMs = stepNs / 1e6;
    fields.sorted = world.sorted;
    fields.objectCount = physics.objects.length;
    fields.qposLength = physics.qposLength;
    fields.qpos.set(physics.qpos);
    for (let i = 0; i < physics.objects.length; i += 1) {
      physics.objectPose(physics.objects[i]!, fields.objectPoses, i * POSE);
    }
    this.#segment.end();
  }
}
