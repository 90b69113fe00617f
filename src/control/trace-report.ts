import type { TraceDescription } from './trace-format.ts';
import { type Extreme, exceeds, type Spread, type TraceSummary } from './trace-summary.ts';

const number = (value: number, digits = 3): string =>
  Number.isNaN(value) ? '-' : String(Number(value.toPrecision(digits)));

/** A summary as text for people. */
export function traceReport(description: TraceDescription, summary: TraceSummary): string {
  const { ticks, seconds, overwritten, missed } = summary;
  const hz = 1e9 / description.periodNs;
  const day = new Date(description.createdS * 1000).toISOString().replace('T', ' ').slice(0, 19);
  return [
    `ARX ${description.model} on ${description.interfaceName}, ${number(hz, 4)} Hz, recorded from ${day} UTC`,
    `${ticks} ticks, ${seconds.toFixed(2)} s${overwritten > 0 ? ` (the ${overwritten} before them were overwritten)` : ''}`,
    '',
    ...summary.states.map(({ state, seconds: s }) => `  ${state.padEnd(15)} ${s.toFixed(2)} s`),
    '',
    'What happened',
    ...summary.story.map(({ atS, text }) => `  ${atS.toFixed(3).padStart(9)} s  ${text}`),
    '',
    'Commanded motion while stiff, most / limit',
    ...table([
      ['joint', 'velocity', 'acceleration', 'jerk', 'behind by'],
      ...summary.joints.map(({ joint, velocity, acceleration, jerk, trackingError }) => [
        joint,
        ratio(velocity),
        ratio(acceleration),
        ratio(jerk),
        number(trackingError),
      ]),
    ]),
    jumps(summary),
    summary.limits.length === 0
      ? 'No command was limited'
      : `Limited: ${summary.limits.map(({ limit, ticks: n }) => `${limit} in ${n} ticks`).join(', ')}`,
    '',
    `Wake-up lateness  ${spread(summary.latenessUs, 'us')}; ${missed} periods missed`,
    `Tick duration     ${spread(summary.executionUs, 'us')}`,
    `Oldest feedback   ${spread(summary.feedbackAgeMs, 'ms')}`,
    `${summary.chunksRefused} chunks refused, ${summary.framesDropped} frames not sent`,
    '',
  ].join('\n');
}

const ratio = (extreme: Extreme): string =>
  `${number(extreme.most)} / ${number(extreme.limit)}${exceeds(extreme) ? ' EXCEEDED' : ''}`;

const spread = ({ p50, p99, p999, most }: Spread, unit: string): string =>
  `p50 ${number(p50)}, p99 ${number(p99)}, p99.9 ${number(p999)}, most ${number(most)} ${unit}`;

const jumps = ({ jumps: list }: TraceSummary): string => {
  const [first] = list;
  return first === undefined
    ? 'No jump of the commanded pose'
    : `${list.length} JUMPS of the commanded pose, the first at ${first.atS.toFixed(3)} s (${first.joint}, ${number(first.distance)})`;
};

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
}
