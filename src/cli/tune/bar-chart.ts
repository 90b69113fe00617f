/** One small chart of bars. */
export interface BarPanel {
  readonly title: string;
  readonly labels: readonly string[];
  readonly values: readonly number[];
  /** What stands above a bar. */
  readonly show: (value: number) => string;
  /** The end of the axis; default a little above the largest value. */
  readonly most?: number;
}

const PANEL = { width: 440, height: 250, left: 16, right: 16, top: 40, bottom: 34 };
const TITLE_HEIGHT = 58;
const COLUMNS = 2;
const BAR_SHARE = 0.6;
const COLOUR = '#1668b8';
const MARKED = '#e07b00';

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/**
 * Panels of bars, two in a row, as an SVG picture.
 * @param note smaller, below the title
 * @param marked index of the bars that are shown in another colour
 */
export function barCharts(title: string, note: string, panels: readonly BarPanel[], marked: number): string {
  const rows = Math.ceil(panels.length / COLUMNS);
  const width = COLUMNS * PANEL.width;
  const height = TITLE_HEIGHT + rows * PANEL.height;
  const drawn = panels.map((panel, i) => {
    const x = (i % COLUMNS) * PANEL.width;
    const y = TITLE_HEIGHT + Math.floor(i / COLUMNS) * PANEL.height;
    return `<g transform="translate(${x} ${y})">\n${panelBody(panel, marked)}\n</g>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="#333">
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="${PANEL.left}" y="28" font-size="16">${escaped(title)}</text>
<text x="${PANEL.left}" y="48">${escaped(note)}</text>
${drawn.join('\n')}
</svg>
`;
}

function panelBody({ title, labels, values, show, most }: BarPanel, marked: number): string {
  const base = PANEL.height - PANEL.bottom;
  const room = base - PANEL.top - 14;
  const end = Math.max(most ?? Math.max(0, ...values), Number.MIN_VALUE);
  const slot = (PANEL.width - PANEL.left - PANEL.right) / Math.max(1, values.length);
  const bars = values.map((value, i) => {
    const height = room * Math.min(1, Math.max(0, value / end));
    const left = PANEL.left + slot * (i + (1 - BAR_SHARE) / 2);
    const centre = PANEL.left + slot * (i + 0.5);
    return [
      `<rect x="${left.toFixed(1)}" y="${(base - height).toFixed(1)}" width="${(slot * BAR_SHARE).toFixed(1)}" height="${height.toFixed(1)}" fill="${i === marked ? MARKED : COLOUR}"/>`,
      `<text x="${centre.toFixed(1)}" y="${(base - height - 5).toFixed(1)}" text-anchor="middle">${escaped(show(value))}</text>`,
      `<text x="${centre.toFixed(1)}" y="${base + 17}" text-anchor="middle">${escaped(labels[i] ?? '')}</text>`,
    ].join('');
  });
  return [
    `<text x="${PANEL.left}" y="20" font-weight="bold">${escaped(title)}</text>`,
    ...bars,
    `<path d="M${PANEL.left} ${base + 0.5}H${PANEL.width - PANEL.right}" stroke="#999"/>`,
  ].join('\n');
}
