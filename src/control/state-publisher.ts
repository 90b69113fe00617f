import type { ArmDescription } from '../arms/description.ts';
import type { ArmState } from '../arms/driver.ts';
import type { CanBusStats } from '../buses/can.ts';
import { SEED_DOF } from '../core/joints.ts';
import type { JerkLimiter } from '../core/motion/jerk-limiter.ts';
import { LIMITS_LAYOUT, SEED_LAYOUT, STATUS_LAYOUT } from '../segment/arm-layout.ts';
import type { ArmSegment } from '../segment/arm-segment.ts';
import type { Field } from '../segment/fields.ts';
import type { ControllerConfig } from './controller-config.ts';
import { TRACE_VECTORS, TraceColumn, traceColumnCount, vectorColumn } from './trace-row.ts';

const f64At = (field: Field): number => field.offset / 8;
const u32At = (field: Field): number => field.offset / 4;

/** Columns of the trace row that stand in the segment too, and where. */
const WORDS = [
  [TraceColumn.state, u32At(SEED_LAYOUT.controlState)],
  [TraceColumn.acknowledgements, u32At(SEED_LAYOUT.acknowledgements)],
  [TraceColumn.errors, u32At(SEED_LAYOUT.errors)],
  [TraceColumn.rowIndex, u32At(SEED_LAYOUT.actionIndex)],
  [TraceColumn.limitsHit, u32At(STATUS_LAYOUT.limitsHit)],
  [TraceColumn.holdReason, u32At(STATUS_LAYOUT.holdReason)],
  [TraceColumn.chunkSequence, u32At(STATUS_LAYOUT.chunkSequenceActive)],
] as const;
const NUMBERS = [
  [TraceColumn.unixS, f64At(SEED_LAYOUT.controlTimestampS)],
  [TraceColumn.timeNs, f64At(STATUS_LAYOUT.tickNs)],
  [TraceColumn.tick, f64At(STATUS_LAYOUT.tick)],
  [TraceColumn.busSent, f64At(STATUS_LAYOUT.busSent)],
  [TraceColumn.busReceived, f64At(STATUS_LAYOUT.busReceived)],
  [TraceColumn.busDropped, f64At(STATUS_LAYOUT.busDropped)],
  [TraceColumn.clampedTicks, f64At(STATUS_LAYOUT.clampedTicks)],
  [TraceColumn.chunksRefused, f64At(STATUS_LAYOUT.chunksRefused)],
] as const;

/**
 * Tells everyone what the tick did: the segment, as one whole under its sequence lock, and the trace row. Written
 * through typed arrays, because named accessors allocate until they are compiled.
 */
export class StatePublisher {
  readonly traceRow: Float64Array;
  readonly #segment: ArmSegment;
  readonly #numbers: Float64Array;
  readonly #busStats: Readonly<CanBusStats> | undefined;
  readonly #vectors: readonly (readonly [from: Float64Array, at: number])[];
  readonly #counters: readonly (readonly [from: Uint32Array, at: number])[];
  readonly #traced: readonly (readonly [from: Float64Array, at: number])[];

  constructor(
    segment: ArmSegment,
    state: ArmState,
    limiter: JerkLimiter,
    target: Float64Array,
    handled: Uint32Array,
    refused: Uint32Array,
    busStats: Readonly<CanBusStats> | undefined,
  ) {
    const dof = limiter.dof;
    this.#segment = segment;
    this.#numbers = new Float64Array(segment.memory.buffer);
    this.#busStats = busStats;
    this.#vectors = [
      [state.position, f64At(STATUS_LAYOUT.position)],
      [state.velocity, f64At(STATUS_LAYOUT.velocity)],
      [state.torque, f64At(STATUS_LAYOUT.torque)],
      [limiter.position, f64At(STATUS_LAYOUT.commandedPosition)],
      [limiter.velocity, f64At(STATUS_LAYOUT.commandedVelocity)],
      [limiter.acceleration, f64At(STATUS_LAYOUT.commandedAcceleration)],
      [target, f64At(STATUS_LAYOUT.targetPosition)],
      [state.motorTemperatureC, f64At(STATUS_LAYOUT.motorTemperatureC)],
      [state.driverTemperatureC, f64At(STATUS_LAYOUT.driverTemperatureC)],
      [state.feedbackAgeNs, f64At(STATUS_LAYOUT.feedbackAgeNs)],
      [state.position.subarray(0, SEED_DOF), f64At(SEED_LAYOUT.jointPositions)],
      [state.velocity.subarray(0, SEED_DOF), f64At(SEED_LAYOUT.jointVelocities)],
    ];
    this.#counters = [
      [state.status, u32At(STATUS_LAYOUT.motorStatus)],
      [state.fault, u32At(STATUS_LAYOUT.motorFault)],
      [handled, u32At(STATUS_LAYOUT.requestsHandled)],
      [refused, u32At(STATUS_LAYOUT.requestsRefused)],
    ];
    const sources = {
      commandedPosition: limiter.position,
      commandedVelocity: limiter.velocity,
      commandedAcceleration: limiter.acceleration,
      targetPosition: target,
      position: state.position,
      velocity: state.velocity,
      torque: state.torque,
    };
    this.#traced = TRACE_VECTORS.map((name) => [sources[name], vectorColumn(name, dof)] as const);
    this.traceRow = new Float64Array(traceColumnCount(dof));
  }

  /** Writes the limits and timers in force, once. */
  publishLimits(description: ArmDescription, config: ControllerConfig, busLoad: number): void {
    const { limits, home } = description;
    const numbers = this.#numbers;
    numbers[f64At(LIMITS_LAYOUT.controlFrequencyHz)] = config.controlFrequencyHz;
    numbers[f64At(LIMITS_LAYOUT.commandTimeoutS)] = config.commandTimeoutS;
    numbers[f64At(LIMITS_LAYOUT.watchdogTimeoutS)] = config.watchdogTimeoutS;
    numbers[f64At(LIMITS_LAYOUT.defaultStepPeriodS)] = 1 / config.policyFrequencyHz;
    numbers[f64At(LIMITS_LAYOUT.tablePlaneZ)] = config.tablePlaneZ;
    numbers.set(limits.positionMin, f64At(LIMITS_LAYOUT.positionMin));
    numbers.set(limits.positionMax, f64At(LIMITS_LAYOUT.positionMax));
    numbers.set(limits.velocityMax, f64At(LIMITS_LAYOUT.velocityMax));
    numbers.set(limits.accelerationMax, f64At(LIMITS_LAYOUT.accelerationMax));
    numbers.set(limits.jerkMax, f64At(LIMITS_LAYOUT.jerkMax));
    numbers.set(limits.torqueMax, f64At(LIMITS_LAYOUT.torqueMax));
    numbers.set(home, f64At(LIMITS_LAYOUT.home));
    numbers[f64At(STATUS_LAYOUT.busLoad)] = busLoad;
  }

  /** Publishes the tick whose scalars stand in {@link traceRow} already. */
  publish(): void {
    const { words } = this.#segment;
    const numbers = this.#numbers;
    const row = this.traceRow;
    const bus = this.#busStats;
    if (bus !== undefined) {
      row[TraceColumn.busSent] = bus.sent;
      row[TraceColumn.busReceived] = bus.received;
      row[TraceColumn.busDropped] = bus.dropped;
      row[TraceColumn.busErrors] = bus.errors;
      row[TraceColumn.busOff] = bus.busOff ? 1 : 0;
    }
    for (let k = 0; k < this.#traced.length; k++) row.set(this.#traced[k]![0], this.#traced[k]![1]);
    this.#segment.beginState();
    for (let k = 0; k < WORDS.length; k++) words[WORDS[k]![1]] = row[WORDS[k]![0]]!;
    for (let k = 0; k < NUMBERS.length; k++) numbers[NUMBERS[k]![1]] = row[NUMBERS[k]![0]]!;
    for (let k = 0; k < this.#vectors.length; k++) numbers.set(this.#vectors[k]![0], this.#vectors[k]![1]);
    for (let k = 0; k < this.#counters.length; k++) words.set(this.#counters[k]![0], this.#counters[k]![1]);
    this.#segment.endState();
  }
}
