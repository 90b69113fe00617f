import { armDescription, createArmDriver, loadKinematics } from '../../arms/catalogue.ts';
import { controlDefaults } from '../../control/control-config.ts';
import { Controller } from '../../control/controller.ts';
import { TraceColumn, vectorColumn } from '../../control/trace-row.ts';
import { ActionPlan } from '../../core/action-plan.ts';
import type { AggregateName } from '../../core/aggregation.ts';
import type { ActionChunk } from '../../core/chunk.ts';
import { ControlState, Request, stateName } from '../../core/control-state.ts';
import { motionExtremes } from '../../core/motion/finite-differences.ts';
import type { Policy } from '../../policies/policy.ts';
import { ArmSegment, createArmSnapshot } from '../../segment/arm-segment.ts';
import { ChunkWriter } from '../../segment/chunk-exchange.ts';
import { Lease } from '../../segment/lease.ts';
import { LockstepBus } from '../../world/lockstep-bus.ts';
import { World } from '../../world/world.ts';

const PERIOD_S = 1 / controlDefaults.controlFrequencyHz;
const PERIOD_NS = PERIOD_S * 1e9;
/** Any moment will do, but 0 means "never" in some fields of the segment. */
const START_NS = 1e12;
/** A new chunk is asked for when half of one is left, and at most this often, as `myelin infer` does. */
const THRESHOLD = 0.5;
const INFERENCE_PERIOD_NS = 1e9 / 30;
/** The cubes lie where they belong for this long before they count as sorted: none of them is still held. */
const SETTLED_S = 1;

export interface SortConditions {
  /** Simulated time that the scene may take, s. */
  readonly limitS: number;
  /** What an inference takes, simulated: the observation is this old when its chunk arrives, s. A function is asked each time. */
  readonly latencyS: number | (() => number);
  /** How chunks are asked for and merged. Default: as `myelin infer` does unless told otherwise. */
  readonly queue?: QueueSettings;
  /** Told after every tick, from START on. */
  readonly watch?: (tick: SortTick) => void;
  /** Something that happens to the world, every so many seconds. */
  readonly disturbance?: { readonly everyS: number; readonly happen: (world: World, count: number) => void };
}

/** LeRobot's three parameters of the action queue. */
export interface QueueSettings {
  /** Default: what the policy says. */
  readonly actionsPerChunk?: number;
  /** Default 0.5. */
  readonly chunkSizeThreshold?: number;
  /** Default `weighted_average`. */
  readonly aggregateName?: AggregateName;
}

/** One period of the control loop. */
export interface SortTick {
  /** Since START, s. */
  readonly atS: number;
  readonly queueDepth: number;
  /** Age of the newest observation that is acted on, s; undefined before the first chunk. */
  readonly observationAgeS: number | undefined;
  /** The same array every time. */
  readonly commanded: Float64Array;
}

export interface SortOutcome {
  readonly seed: number;
  readonly sorted: number;
  readonly cubes: number;
  /** Simulated time from START until the last cube came to lie in its bin, s; undefined when that did not happen. */
  readonly finishedS: number | undefined;
  /** Inferences made. */
  readonly inferences: number;
  /** Largest commanded velocity, acceleration and jerk of any joint, as shares of their limits. */
  readonly velocity: number;
  readonly acceleration: number;
  readonly jerk: number;
  /** How far a commanded pose lay outside a joint's range, rad or m; 0 or less when none did. */
  readonly outside: number;
  readonly chunksRefused: number;
  /** State the control process ended in, when it was not RUNNING any more. */
  readonly stopped: string | undefined;
}

/**
 * Sorts one seeded scene with the whole chain in one process, in lock-step: world, bus, driver, controller, segment,
 * action plan, policy. Time passes only as the chain takes turns, so a run is as fast as the machine and always the same.
 */
export async function runSort(
  seed: number,
  conditions: SortConditions,
  createPolicy: (parts: {
    readonly description: ReturnType<typeof armDescription>;
    readonly kinematics: ReturnType<typeof loadKinematics>;
  }) => Policy,
): Promise<SortOutcome> {
  const description = armDescription('X5');
  const world = await World.create({ arm: 'X5', seed, startNs: START_NS });
  const bus = new LockstepBus(world);
  const driver = createArmDriver(description, bus);
  driver.connect((ms) => world.step(ms / 1000));
  const segment = ArmSegment.create(`myelin_sort_${process.pid}_${seed}`, {
    dof: description.dof,
    model: description.model,
    interfaceName: bus.name,
  });
  const policy = createPolicy({ description, kinematics: loadKinematics(description) });
  try {
    const controller = new Controller({
      description,
      kinematics: loadKinematics(description),
      segment,
      driver,
      config: controlDefaults,
      events: { push: () => undefined },
      busStats: bus.stats,
    });
    return await new SortRun({ seed, conditions, world, controller, segment, policy }).run();
  } finally {
    await policy.close();
    driver.close();
    segment.unlink();
    segment.close();
    world.close();
  }
}

interface SortParts {
  readonly seed: number;
  readonly conditions: SortConditions;
  readonly world: World;
  readonly controller: Controller;
  readonly segment: ArmSegment;
  readonly policy: Policy;
}

class SortRun {
  readonly #parts: SortParts;
  readonly #snapshot = createArmSnapshot();
  readonly #plan: ActionPlan;
  readonly #writer: ChunkWriter;
  readonly #lease: Lease;
  readonly #rowsPerChunk: number;
  readonly #commanded: number[][];
  readonly #pose: Float64Array;
  readonly #threshold: number;
  #nowNs: number;
  #askedNs = Number.NEGATIVE_INFINITY;
  #coming: { readonly chunk: ActionChunk; readonly dueNs: number } | undefined;
  #inferences = 0;
  #observedNs: number | undefined;

  constructor(parts: SortParts) {
    const { segment, policy, world } = parts;
    const { actionsPerChunk, chunkSizeThreshold = THRESHOLD, aggregateName } = parts.conditions.queue ?? {};
    this.#parts = parts;
    this.#threshold = chunkSizeThreshold;
    this.#rowsPerChunk = Math.min(actionsPerChunk ?? policy.spec.actionSteps, policy.spec.chunkRows);
    this.#nowNs = world.nowNs;
    this.#plan = new ActionPlan({
      dof: policy.spec.actionNames.length,
      stepPeriodS: policy.spec.stepPeriodS ?? 1 / 30,
      ...(aggregateName === undefined ? {} : { aggregateName }),
    });
    this.#lease = Lease.acquire(segment, 'bench sort', this.#nowNs);
    this.#writer = new ChunkWriter(segment);
    this.#commanded = policy.spec.actionNames.map(() => []);
    this.#pose = new Float64Array(policy.spec.actionNames.length);
  }

  async run(): Promise<SortOutcome> {
    const { segment, world, conditions } = this.#parts;
    const { limitS, disturbance, watch } = conditions;
    // The arm stiffens where it was found; then it may start.
    for (let k = 0; k < 1 / PERIOD_S; k++) this.#tick();
    segment.request(Request.START);
    this.#tick();

    const startNs = this.#nowNs;
    const cubes = world.physics.objects.length;
    let doneSinceNs: number | undefined;
    let disturbed = 0;
    while (this.#nowNs - startNs < limitS * 1e9 && this.#running) {
      await this.#think();
      this.#tick();
      this.#record();
      watch?.(this.#look(startNs));
      if (disturbance && (this.#nowNs - startNs) / 1e9 >= disturbance.everyS * (disturbed + 1)) {
        disturbance.happen(world, disturbed++);
      }
      if (world.sorted < cubes) doneSinceNs = undefined;
      else doneSinceNs ??= this.#nowNs;
      if (doneSinceNs !== undefined && this.#nowNs - doneSinceNs >= SETTLED_S * 1e9) break;
    }
    return this.#outcome(doneSinceNs === undefined ? undefined : (doneSinceNs - startNs) / 1e9);
  }

  get #running(): boolean {
    return this.#parts.segment.fields.controlState === ControlState.RUNNING;
  }

  /** One period of the control loop, and of the world after it. */
  #tick(): void {
    const { controller, world } = this.#parts;
    this.#lease.heartbeat(this.#nowNs, this.#nowNs / 1e9);
    controller.tick(this.#nowNs, this.#nowNs / 1e9);
    this.#nowNs += PERIOD_NS;
    world.advance(this.#nowNs);
  }

  /** What the inference process does, but that an inference takes simulated time. */
  async #think(): Promise<void> {
    const nowNs = this.#nowNs;
    if (this.#coming !== undefined) {
      if (nowNs < this.#coming.dueNs) return;
      const { chunk } = this.#coming;
      this.#plan.merge({ ...chunk, rows: Math.min(chunk.rows, this.#rowsPerChunk) }, nowNs);
      this.#observedNs = chunk.observedNs;
      this.#coming = undefined;
      const future = this.#plan.future(nowNs);
      if (future !== undefined) this.#writer.publish(future.chunk, future.startNs);
    }
    if (nowNs - this.#askedNs < INFERENCE_PERIOD_NS) return;
    if (this.#plan.depthAt(nowNs) > this.#threshold * this.#rowsPerChunk) return;
    this.#askedNs = nowNs;
    this.#inferences += 1;
    const { latencyS } = this.#parts.conditions;
    const tookS = typeof latencyS === 'number' ? latencyS : latencyS();
    this.#coming = { chunk: await this.#infer(nowNs), dueNs: nowNs + tookS * 1e9 };
  }

  #infer(nowNs: number): Promise<ActionChunk> {
    const { segment, policy, world } = this.#parts;
    const arm = this.#snapshot;
    segment.readState(arm);
    const objects = world.physics.objects.map((object) => {
      const pose = new Float64Array(7);
      world.physics.objectPose(object, pose);
      return [object.name, pose] as const;
    });
    return policy.infer({
      timestep: this.#plan.timestepAt(nowNs),
      timestampNs: nowNs,
      state: arm.position.slice(0, arm.dof),
      velocity: arm.velocity.slice(0, arm.dof),
      cameras: new Map(),
      task: '',
      objects: new Map(objects),
    });
  }

  #record(): void {
    const { traceRow } = this.#parts.controller;
    const at = vectorColumn('commandedPosition', this.#commanded.length);
    for (const [joint, positions] of this.#commanded.entries()) positions.push(traceRow[at + joint]!);
  }

  #look(startNs: number): SortTick {
    const nowNs = this.#nowNs;
    const observedNs = this.#observedNs;
    for (const [joint, positions] of this.#commanded.entries()) this.#pose[joint] = positions.at(-1)!;
    return {
      atS: (nowNs - startNs) / 1e9,
      queueDepth: this.#plan.depthAt(nowNs),
      observationAgeS: observedNs === undefined ? undefined : (nowNs - observedNs) / 1e9,
      commanded: this.#pose,
    };
  }

  #outcome(finishedS: number | undefined): SortOutcome {
    const { seed, world, controller, segment } = this.#parts;
    const { limits } = armDescription('X5');
    const extremes = this.#commanded.map((positions, joint) =>
      motionExtremes(positions, limits, joint, PERIOD_S),
    );
    const most = (key: 'velocity' | 'acceleration' | 'jerk' | 'outside') =>
      Math.max(...extremes.map((extreme) => extreme[key]));
    return {
      seed,
      sorted: world.sorted,
      cubes: world.physics.objects.length,
      finishedS,
      inferences: this.#inferences,
      velocity: most('velocity'),
      acceleration: most('acceleration'),
      jerk: most('jerk'),
      outside: most('outside'),
      chunksRefused: controller.traceRow[TraceColumn.chunksRefused]!,
      stopped: this.#running ? undefined : stateName(segment.fields.controlState),
    };
  }
}
