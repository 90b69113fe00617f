import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { holdText } from '../../control/event-text.ts';
import { HoldReason, LimitBit } from '../../control/limit-bits.ts';
import type { Clock } from '../../core/clock.ts';
import { bitNames, ControlState, ErrorBit, Request, stateName } from '../../core/control-state.ts';
import { histogramPercentileUs } from '../../core/histogram.ts';
import { ArmSegment, type ArmSnapshot, createArmSnapshot } from '../../segment/arm-segment.ts';
import { Lease } from '../../segment/lease.ts';
import { WorldSegment } from '../../segment/world-segment.ts';
import { modelFacts, readArmInfo } from './arm-info.ts';
import { CameraFeed } from './camera-feed.ts';
import type { Picture } from './camera-packet.ts';
import type { EventLog } from './event-log.ts';
import { Follower } from './follow.ts';
import type { GatewayArm } from './gateway-arm.ts';
import { LoopEvents } from './loop-events.ts';
import type { ArmInfo, ArmState, Reply, Telemetry, WorldState } from './telemetry.ts';
import { wireNumber } from './telemetry.ts';

/** Over this long the loop's own rate is measured, ms. */
const RATE_PERIOD_MS = 500;
const LIMITS_SHOWN_MS = 1000;
const SCENE = 'arx-x5/scene.xml';

export interface ArmTelemetryOptions {
  /** Name of the arm's segment. */
  readonly segment: string;
  /** Name of the simulated world whose objects are drawn; left out for an arm of metal. */
  readonly world?: string;
  /** Cameras to show; all of this machine when left out. */
  readonly cameras?: readonly string[];
  readonly events: EventLog;
  readonly clock: Clock;
  /** Folder of the arm descriptions, as the page server serves it. */
  readonly modelsFolder: string;
}

const ms = (ns: number): number | null => wireNumber(ns / 1e6);
const us = (ns: number): number | null => wireNumber(Math.round(ns / 100) / 10);

/**
 * The page's eyes on an arm, its world and its cameras, all of which may be absent, die and come back. It reads
 * shared memory and writes nothing but request bits.
 */
export class ArmTelemetry implements GatewayArm {
  readonly segmentName: string;
  readonly #options: ArmTelemetryOptions;
  readonly #arm: Follower<ArmSegment>;
  readonly #world: Follower<WorldSegment> | undefined;
  readonly #cameras: CameraFeed;
  readonly #snapshot: ArmSnapshot = createArmSnapshot();
  readonly #scenePath: string | null;
  #loopEvents: LoopEvents | undefined;
  #info: ArmInfo | undefined;
  #limits = { now: 0, before: 0, sinceNs: 0 };
  #rate = { ticks: 0, atNs: 0, hz: Number.NaN };

  constructor(options: ArmTelemetryOptions) {
    const { segment, world, events, clock, cameras, modelsFolder } = options;
    this.#options = options;
    this.segmentName = segment;
    this.#scenePath = existsSync(join(modelsFolder, SCENE)) ? `/models/${SCENE}` : null;
    this.#cameras = new CameraFeed(clock, cameras);
    const nowMs = () => clock.nowNs() / 1e6;
    this.#arm = new Follower({
      open: () => ArmSegment.open(segment),
      nowMs,
      onAttached: (arm) => this.#attached(arm),
      onLost: (arm) => this.#lost(arm),
    });
    this.#world =
      world === undefined
        ? undefined
        : new Follower({
            open: () => WorldSegment.open(world),
            nowMs,
            onAttached: () => events.add('world', 'info', `the world ${world} is there`),
            onLost: () => events.add('world', 'alarm', `the world ${world} is gone`),
          });
  }

  armInfo(): ArmInfo | undefined {
    return this.#info;
  }

  telemetry(malformed: number): Telemetry {
    return {
      type: 'telemetry',
      unixS: this.#options.clock.unixS(),
      arm: this.#armState(),
      world: this.#worldState(),
      cameras: this.#cameras.states(),
      malformed,
    };
  }

  pictures(): readonly Picture[] {
    return this.#cameras.pictures();
  }

  request(request: 'start' | 'pause' | 'reset' | 'stop'): Pick<Reply, 'ok' | 'text'> {
    const bit = Request[request.toUpperCase() as keyof typeof Request];
    const arm = this.#arm.current;
    arm?.request(bit);
    // The name may have passed to a newer control process a moment ago: a request must reach that one.
    this.#arm.check();
    const newest = this.#arm.current;
    if (newest !== arm) newest?.request(bit);
    if (arm !== undefined || newest !== undefined) return { ok: true, text: `Asked for ${request}.` };
    if (request === 'reset') return { ok: true, text: 'Asked for a new control process.' };
    return { ok: request === 'stop', text: 'No control process is running: nothing moves the arm.' };
  }

  /** Who commands the arm, and whether it may be moving. */
  commander(): { pid: number; name: string; running: boolean } | undefined {
    const arm = this.#arm.current;
    const holder = arm === undefined ? undefined : Lease.holder(arm, this.#options.clock.nowNs());
    if (arm === undefined || holder === undefined) return undefined;
    return { pid: holder.pid, name: holder.name, running: arm.fields.controlState === ControlState.RUNNING };
  }

  /** Says in the segment who operates; undefined when nobody does. */
  showOperator(name: string | undefined): void {
    const fields = this.#arm.current?.fields;
    if (fields === undefined) return;
    if (fields.operatorName !== (name ?? '')) fields.operatorName = name ?? '';
    fields.operatorHeartbeatNs = name === undefined ? 0 : this.#options.clock.nowNs();
  }

  stateName(): string | null {
    const arm = this.#arm.current;
    return arm === undefined ? null : stateName(arm.fields.controlState);
  }

  close(): void {
    this.#arm.close();
    this.#world?.close();
    this.#cameras.close();
  }

  #attached(arm: ArmSegment): void {
    const { events, clock } = this.#options;
    const { model, interfaceName, controlPid, dof } = arm.fields;
    this.#info = undefined;
    this.#limits = { now: 0, before: 0, sinceNs: 0 };
    this.#rate = { ticks: 0, atNs: 0, hz: Number.NaN };
    events.add('control', 'good', `process ${controlPid} controls the ${model} on ${interfaceName}`);
    this.#loopEvents = new LoopEvents(arm.memory.buffer, modelFacts(model, dof).names, events, clock);
  }

  #lost(arm: ArmSegment): void {
    this.#loopEvents?.read(); // Its last words.
    this.#loopEvents = undefined;
    this.#info = undefined;
    this.#options.events.add('control', 'alarm', `process ${arm.fields.controlPid} is gone`);
  }

  #armState(): ArmState | null {
    const arm = this.#arm.current;
    // Before its first tick a control process has nothing to say.
    if (arm === undefined || !arm.readState(this.#snapshot) || this.#snapshot.tickNs === 0) return null;
    this.#loopEvents?.read();
    this.#info = this.#refreshInfo(arm);
    const nowNs = this.#options.clock.nowNs();
    const { fields } = arm;
    const state = this.#snapshot;
    const dof = this.#info.dof;
    const vector = (values: ArrayLike<number>, scale = 1) =>
      Array.from({ length: dof }, (_, i) => wireNumber((values[i] ?? Number.NaN) * scale));
    const holder = Lease.holder(arm, nowNs);
    return {
      state: stateName(state.controlState),
      ageMs: ms(nowNs - state.tickNs),
      errors: bitNames(ErrorBit, state.errors),
      hold: state.holdReason === HoldReason.NONE ? null : holdText(state.holdReason),
      limits: bitNames(LimitBit, this.#recentLimits(state.limitsHit, nowNs)),
      position: vector(state.position),
      velocity: vector(state.velocity),
      torque: vector(state.torque),
      commanded: vector(state.commandedPosition),
      motorTemperatureC: vector(state.motorTemperatureC),
      driverTemperatureC: vector(state.driverTemperatureC),
      feedbackAgeMs: vector(state.feedbackAgeNs, 1e-6),
      motorFault: Array.from(state.motorFault.subarray(0, dof)),
      commander:
        holder === undefined
          ? null
          : {
              pid: holder.pid,
              name: holder.name,
              policy: fields.policyName,
              task: fields.task,
              ageMs: ms(holder.ageNs),
              paused: fields.commanderPaused !== 0,
            },
      queueDepth: wireNumber(fields.queueDepth),
      queueCapacity: wireNumber(fields.queueCapacity),
      inferenceMs: wireNumber(fields.inferenceMs),
      frameAgeMs: wireNumber(fields.frameAgeMs),
      inferences: wireNumber(fields.inferences),
      inferenceErrors: wireNumber(fields.inferenceErrors),
      guardianAgeMs: fields.guardianHeartbeatNs === 0 ? null : ms(nowNs - fields.guardianHeartbeatNs),
      loop: this.#loop(arm, nowNs),
      bus: {
        load: wireNumber(state.busLoad),
        sent: wireNumber(state.busSent),
        received: wireNumber(state.busReceived),
        dropped: wireNumber(state.busDropped),
      },
    };
  }

  /** A limit is hit for a few ticks at a time; a person needs a second to see it. */
  #recentLimits(bits: number, nowNs: number): number {
    const old = nowNs - this.#limits.sinceNs > LIMITS_SHOWN_MS * 1e6;
    const { now, before } = this.#limits;
    if (old) this.#limits = { now: bits, before: now, sinceNs: nowNs };
    else this.#limits.now = now | bits;
    return this.#limits.now | (old ? now : before);
  }

  #loop({ fields }: ArmSegment, nowNs: number): ArmState['loop'] {
    const { ticks } = fields;
    const sinceNs = nowNs - this.#rate.atNs;
    if (sinceNs >= RATE_PERIOD_MS * 1e6) {
      const known = this.#rate.atNs > 0 && ticks >= this.#rate.ticks;
      this.#rate = {
        ticks,
        atNs: nowNs,
        hz: known ? ((ticks - this.#rate.ticks) * 1e9) / sinceNs : Number.NaN,
      };
    }
    return {
      frequencyHz: wireNumber(this.#rate.hz),
      ticks: wireNumber(ticks),
      missed: wireNumber(fields.missed),
      latenessMeanUs: us(fields.latenessSumNs / ticks),
      latenessP99Us: wireNumber(Math.round(histogramPercentileUs(fields.latenessHistogram, 0.99))),
      latenessMaxUs: us(fields.latenessMaxNs),
      executionMeanUs: us(fields.executionSumNs / ticks),
      executionMaxUs: us(fields.executionMaxNs),
    };
  }

  /** The same object as long as nothing in it changed, so that it is sent once. */
  #refreshInfo(arm: ArmSegment): ArmInfo {
    const info = readArmInfo(arm, this.#options.modelsFolder);
    return this.#info !== undefined && JSON.stringify(info) === JSON.stringify(this.#info)
      ? this.#info
      : info;
  }

  #worldState(): WorldState | null {
    const world = this.#world?.current;
    const objects = world?.readObjects();
    if (world === undefined || objects === undefined) return null;
    return {
      simulatedS: wireNumber(world.fields.simulatedS),
      sorted: world.fields.sorted,
      scenePath: this.#scenePath,
      objects: [...objects].map(([name, pose]) => ({ name, pose: Array.from(pose, wireNumber) })),
    };
  }
}
