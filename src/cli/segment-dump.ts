import { EventCode } from '../control/event-codes.ts';
import { HoldReason, LimitBit } from '../control/limit-bits.ts';
import { Grant } from '../control/loop-messages.ts';
import { bitNames, ErrorBit, Request, stateName } from '../core/control-state.ts';
import { histogramPercentileUs } from '../core/histogram.ts';
import {
  CHUNK_SLOT_BYTES,
  CHUNK_SLOT_LAYOUT,
  CHUNK_SLOTS,
  CHUNK_SLOTS_OFFSET,
  COMMANDER_LAYOUT,
  EVENT_LAYOUT,
  EVENT_RECORD_BYTES,
  EVENT_RECORDS,
  EVENT_RECORDS_OFFSET,
  EVENTS_LAYOUT,
  LIMITS_LAYOUT,
  SEED_LAYOUT,
  STATISTICS_LAYOUT,
  STATUS_LAYOUT,
} from '../segment/arm-layout.ts';
import {
  CAMERA_LAYOUT,
  CAMERA_SLOT_LAYOUT,
  CAMERA_SLOTS,
  CAMERA_SLOTS_OFFSET,
} from '../segment/camera-layout.ts';
import { bind, type Field, type Layout } from '../segment/fields.ts';
import {
  ARM_SEGMENT,
  CAMERA_SEGMENT,
  openSegment,
  type SegmentSummary,
  WORLD_SEGMENT,
} from '../segment/owned-segment.ts';
import { SequenceLock } from '../segment/sequence-lock.ts';
import { WORLD_LAYOUT } from '../segment/world-layout.ts';

/** The moment a dump is made, on both clocks, so that times can be told as ages. */
export interface Now {
  readonly monotonicNs: number;
  readonly unixS: number;
}

const bits = (table: Readonly<Record<string, number>>) => (word: number) =>
  word === 0 ? '0' : `${word} = ${bitNames(table, word).join(' + ') || 'unknown bits'}`;
const nameOf = (table: Readonly<Record<string, number>>) => (code: number) =>
  `${code} ${Object.keys(table).find((name) => table[name] === code) ?? 'unknown'}`;

/** Fields whose number stands for something else. */
const MEANING: Readonly<Record<string, (value: number) => string>> = {
  controlState: (code) => `${code} ${stateName(code)}`,
  requests: bits(Request),
  acknowledgements: bits(Request),
  errors: bits(ErrorBit),
  limitsHit: bits(LimitBit),
  holdReason: nameOf(HoldReason),
  grants: bits(Grant),
  magic: (value) => JSON.stringify(Buffer.from(Uint32Array.of(value).buffer).toString('latin1')),
};
const MONOTONIC = new Set([
  'createdNs',
  'guardianHeartbeatNs',
  'tickNs',
  'leaseHeartbeatNs',
  'operatorHeartbeatNs',
  'timeNs',
  'startNs',
  'observedNs',
  'capturedNs',
]);
const UNIX = new Set(['controlTimestampS', 'inferenceTimestampS', 'capturedUnixS']);

const ageText = (seconds: number): string =>
  seconds < 0 ? `in ${(-seconds).toFixed(3)} s` : `${seconds.toFixed(3)} s ago`;

/** Six digits are enough for people; a script reads the segment itself. */
const numberText = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));

function scalarText(name: string, value: number, now: Now): string {
  const meaning = MEANING[name];
  if (meaning !== undefined) return meaning(value);
  if (MONOTONIC.has(name)) return value === 0 ? '0 (never)' : ageText((now.monotonicNs - value) / 1e9);
  if (UNIX.has(name)) {
    return value === 0
      ? '0 (never)'
      : `${new Date(value * 1000).toISOString()} (${ageText(now.unixS - value)})`;
  }
  return numberText(value);
}

function histogramText(counts: Uint32Array): string {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return 'empty';
  const percentiles = [0.5, 0.99, 0.999].map((share) => histogramPercentileUs(counts, share).toFixed(1));
  return `${total} values, p50 / p99 / p99.9 below ${percentiles.join(' / ')} us`;
}

/** One line a field: its name, its value, what it means. `used` cuts arrays to the part in use. */
function fieldLines(layout: Layout, buffer: ArrayBuffer, now: Now, used: number, base = 0): string[] {
  const values = bind(layout, buffer, base) as Record<string, number | string | Float64Array | Uint32Array>;
  const entries = Object.entries<Field>(layout).map(([name, { doc }]) => {
    const value = values[name]!;
    if (typeof value === 'string') return [name, JSON.stringify(value), doc] as const;
    if (typeof value === 'number') return [name, scalarText(name, value, now), doc] as const;
    if (name.endsWith('Histogram')) return [name, histogramText(value as Uint32Array), doc] as const;
    const shown = Array.from(value.subarray(0, used), (number) => numberText(number));
    return [name, shown.join(' ') || '-', doc] as const;
  });
  const nameWidth = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value, doc]) => `  ${name.padEnd(nameWidth)}  ${value.padEnd(24)}  ${doc}`);
}

const page = (title: string, lines: readonly string[]): string => `${title}\n${lines.join('\n')}\n`;

function eventLines(buffer: ArrayBuffer, now: Now): string[] {
  const { eventCount } = bind(EVENTS_LAYOUT, buffer);
  const lines = [`  eventCount  ${eventCount}`];
  for (let number = Math.max(0, eventCount - 8); number < eventCount; number++) {
    const base = EVENT_RECORDS_OFFSET + (number % EVENT_RECORDS) * EVENT_RECORD_BYTES;
    const { timeNs, code, detail, a, b } = bind(EVENT_LAYOUT, buffer, base);
    const what = nameOf(EventCode)(code);
    lines.push(
      `  ${scalarText('timeNs', timeNs, now)}: ${what}, detail ${detail}, ${numberText(a)}, ${numberText(b)}`,
    );
  }
  return lines;
}

function armPages(buffer: ArrayBuffer, now: Now): string[] {
  const { dof } = bind(STATUS_LAYOUT, buffer);
  const { actionCount } = bind(SEED_LAYOUT, buffer);
  const { actions: _actions, ...head } = SEED_LAYOUT;
  const rows = Array.from({ length: Math.min(actionCount, 36) }, (_, row) => {
    const numbers = new Float64Array(buffer, SEED_LAYOUT.actions.offset + row * 56, 7);
    return `  row ${String(row).padStart(2)}  ${Array.from(numbers, numberText).join(' ')}`;
  });
  const slots = Array.from({ length: CHUNK_SLOTS }, (_, index) => {
    const base = CHUNK_SLOTS_OFFSET + index * CHUNK_SLOT_BYTES;
    const { rows: count, dof: width } = bind(CHUNK_SLOT_LAYOUT, buffer, base);
    return page(
      `Chunk slot ${index}: the first row of ${count}`,
      fieldLines(CHUNK_SLOT_LAYOUT, buffer, now, count > 0 ? width : 0, base),
    );
  });
  return [
    page('Page 0: the published table', [...fieldLines(head, buffer, now, 7), ...rows]),
    page('Page 1: owner and state', fieldLines(STATUS_LAYOUT, buffer, now, dof)),
    page('Page 2: limits and timers', fieldLines(LIMITS_LAYOUT, buffer, now, dof)),
    page('Page 3: loop statistics', fieldLines(STATISTICS_LAYOUT, buffer, now, dof)),
    page('Page 4: the commander', fieldLines(COMMANDER_LAYOUT, buffer, now, dof)),
    page('Page 5: events', eventLines(buffer, now)),
    ...slots,
  ];
}

function cameraPages(buffer: ArrayBuffer, now: Now): string[] {
  const { slotBytes } = bind(CAMERA_LAYOUT, buffer);
  const fits = CAMERA_SLOTS_OFFSET + CAMERA_SLOTS * slotBytes <= buffer.byteLength && slotBytes % 8 === 0;
  const slots = Array.from({ length: fits ? CAMERA_SLOTS : 0 }, (_, index) =>
    page(
      `Slot ${index}`,
      fieldLines(CAMERA_SLOT_LAYOUT, buffer, now, 0, CAMERA_SLOTS_OFFSET + index * slotBytes),
    ),
  );
  return [page('Header', fieldLines(CAMERA_LAYOUT, buffer, now, 0)), ...slots];
}

const worldPages = (buffer: ArrayBuffer, now: Now): string[] => {
  const { qposLength, objectCount } = bind(WORLD_LAYOUT, buffer);
  return [page('World', fieldLines(WORLD_LAYOUT, buffer, now, Math.max(qposLength, 7 * objectCount)))];
};

const LOCKED_WORD = new Map([
  [ARM_SEGMENT, STATUS_LAYOUT.stateSequence.offset / 4],
  [WORLD_SEGMENT, WORLD_LAYOUT.stateSequence.offset / 4],
]);

/** `arx5_control: an arm segment, layout 1, 102400 bytes, made by process 12, which is alive`. */
export const summaryLine = ({ name, kind, version, bytes, pid, alive }: SegmentSummary): string =>
  `${name}: ${kind.what}, layout ${version}, ${bytes} bytes, made by process ${pid}, which is ${alive ? 'alive' : 'gone'}`;

/**
 * Every field of a segment in words, page by page, all of one moment.
 * @throws MyelinError SEGMENT_VERSION, SEGMENT_MISSING
 */
export function dumpSegment(summary: SegmentSummary, now: Now): string {
  const memory = openSegment(summary.kind, summary.name, { readOnly: true });
  try {
    const numbers = new Float64Array(memory.buffer, 0, Math.floor(memory.bytes / 8));
    const copy = new Float64Array(numbers.length);
    const lockedWord = LOCKED_WORD.get(summary.kind);
    let whole = true;
    if (lockedWord === undefined) copy.set(numbers);
    else {
      whole = new SequenceLock(new Uint32Array(memory.buffer), lockedWord).read([numbers], [copy]);
      if (!whole) copy.set(numbers);
    }
    const render =
      summary.kind === ARM_SEGMENT ? armPages : summary.kind === CAMERA_SEGMENT ? cameraPages : worldPages;
    return [
      summaryLine(summary),
      ...(whole ? [] : ['Its maker stopped in the middle of a write: what follows mixes two states.']),
      '',
      ...render(copy.buffer, now),
    ].join('\n');
  } finally {
    memory.close();
  }
}
