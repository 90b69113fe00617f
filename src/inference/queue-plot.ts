/** How many actions were queued at a moment. */
export interface QueueSample {
  /** Seconds since the start. */
  readonly atS: number;
  readonly depth: number;
}

const WIDTH = 900;
const HEIGHT = 360;
const LEFT = 56;
const RIGHT = 16;
const TOP = 40;
const BOTTOM = 44;

const SPARKS = '▁▂▃▄▅▆▇█';

/** The newest depths as one line of characters, `width` of them. Nothing queued is a blank. */
export function queueSparkline(samples: readonly QueueSample[], capacity: number, width: number): string {
  return samples
    .slice(-width)
    .map(({ depth }) => {
      if (depth <= 0) return ' ';
      const level = Math.ceil((Math.min(depth, capacity) / Math.max(1, capacity)) * SPARKS.length);
      return SPARKS[Math.max(1, level) - 1];
    })
    .join('');
}

/** Share of the samples in which nothing was queued, 0 to 1. */
export const emptyShare = (samples: readonly QueueSample[]): number =>
  samples.length === 0 ? 0 : samples.filter(({ depth }) => depth === 0).length / samples.length;

/** A round step that gives about `count` marks. */
function markStep(span: number, count: number): number {
  const rough = Math.max(span, 1e-9) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? 10 * power;
}

const marks = (most: number, count: number): number[] => {
  const step = markStep(most, count);
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => i * step);
};

const short = (value: number): string => String(Number(value.toPrecision(6)));

/** The queue's depth over time as an SVG picture; red where it was empty. */
export function queuePlot(samples: readonly QueueSample[], capacity: number): string {
  const lastS = Math.max(1e-3, samples.at(-1)?.atS ?? 0);
  const most = Math.max(1, capacity, ...samples.map(({ depth }) => depth));
  const x = (atS: number) => (LEFT + (atS / lastS) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (depth: number) => (HEIGHT - BOTTOM - (depth / most) * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  const line = samples.map(({ atS, depth }) => `${x(atS)},${y(depth)}`).join(' ');
  const empty = samples.flatMap(({ atS, depth }, i) => {
    const next = samples[i + 1]?.atS ?? atS;
    return depth > 0 || next === atS ? [] : [`M${x(atS)} ${y(0)}H${x(next)}`];
  });
  const across = marks(most, 5).map(
    (depth) =>
      `<path d="M${LEFT} ${y(depth)}H${WIDTH - RIGHT}" stroke="#ddd"/><text x="${LEFT - 8}" y="${y(depth)}" dy="4" text-anchor="end">${short(depth)}</text>`,
  );
  const down = marks(lastS, 8).map(
    (atS) => `<text x="${x(atS)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${short(atS)}</text>`,
  );
  const share = (100 * emptyShare(samples)).toFixed(1);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12" fill="#333">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<text x="${LEFT}" y="22" font-size="15">Actions queued over time; empty ${share} % of it</text>
${across.join('\n')}
${down.join('\n')}
<text x="${(WIDTH + LEFT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">seconds</text>
<polyline points="${line}" fill="none" stroke="#1668b8" stroke-width="1.5"/>
<path d="${empty.join('')}" stroke="#d02020" stroke-width="4"/>
</svg>
`;
}
