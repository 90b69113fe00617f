import { HoldReason, LimitBit } from '../control/limit-bits.ts';
import { bitNames, ErrorBit, stateName } from '../core/control-state.ts';
import { histogramPercentileUs } from '../core/histogram.ts';
import type { ArmSegment, ArmSnapshot } from '../segment/arm-segment.ts';
import { Lease } from '../segment/lease.ts';

const vector = (values: Float64Array, dof: number, digits: number): string =>
  Array.from(values.subarray(0, dof), (value) => value.toFixed(digits).padStart(8)).join(' ');

const names = (table: Readonly<Record<string, number>>, word: number): string =>
  bitNames(table, word).join(' ') || 'none';

const heldBecause = (reason: number): string =>
  Object.entries(HoldReason).find(([, code]) => code === reason)?.[0] ?? String(reason);

/** A few lines that tell how an arm is doing now. `snapshot` was just read; `tickRateHz` is NaN until it is known. */
export function watchLines(
  segment: ArmSegment,
  snapshot: ArmSnapshot,
  tickRateHz: number,
  nowNs: number,
): string[] {
  const { fields } = segment;
  const { dof } = snapshot;
  const holder = Lease.holder(segment, nowNs);
  const late = [0.5, 0.99, 0.999].map((share) =>
    histogramPercentileUs(fields.latenessHistogram, share).toFixed(0),
  );
  const rate = Number.isNaN(tickRateHz) ? '' : `  ${tickRateHz.toFixed(1)} Hz`;
  return [
    `${segment.memory.name}  ${snapshot.model} on ${snapshot.interfaceName}  ${stateName(snapshot.controlState)}` +
      `${segment.ownerAlive ? '' : '  (its control process is gone)'}`,
    `tick       ${snapshot.tick}${rate}  missed ${fields.missed}  late p50/p99/p99.9 ${late.join('/')} us  longest tick ${(fields.executionMaxNs / 1e3).toFixed(0)} us`,
    `measured   ${vector(snapshot.position, dof, 4)}  rad, m`,
    `commanded  ${vector(snapshot.commandedPosition, dof, 4)}`,
    `wanted     ${vector(snapshot.targetPosition, dof, 4)}`,
    `torque     ${vector(snapshot.torque, dof, 2)}  Nm, N`,
    `motors     ${vector(snapshot.motorTemperatureC, dof, 0)}  degC`,
    `bus        ${(100 * snapshot.busLoad).toFixed(0)} % load  ${snapshot.busSent} sent  ${snapshot.busReceived} received  ${snapshot.busDropped} dropped`,
    `limits     ${names(LimitBit, snapshot.limitsHit)}  clamped in ${snapshot.clampedTicks} ticks   errors ${names(ErrorBit, snapshot.errors)}   hold ${heldBecause(snapshot.holdReason)}`,
    holder === undefined
      ? 'commander  nobody'
      : `commander  ${holder.name} (process ${holder.pid}, heartbeat ${(holder.ageNs / 1e6).toFixed(0)} ms ago)  ` +
        `${fields.policyName}  inference ${fields.inferenceMs.toFixed(1)} ms  frames ${fields.frameAgeMs.toFixed(0)} ms old`,
    `chunk      ${snapshot.chunkSequenceActive}  row ${snapshot.actionIndex}  queue ${fields.queueDepth.toFixed(0)} of ${fields.queueCapacity.toFixed(0)}  refused ${snapshot.chunksRefused}`,
  ];
}
