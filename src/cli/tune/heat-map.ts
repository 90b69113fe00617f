/** Numbers by row and column. */
export interface HeatMap {
  readonly title: string;
  readonly rowTitle: string;
  readonly columnTitle: string;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** [row][column]; 0 is best. */
  readonly values: readonly (readonly number[])[];
  readonly show: (value: number) => string;
  /** What is darkest, unless some value is larger. */
  readonly dark: number;
}

const CELL = { width: 110, height: 52 };
const LEFT = 90;
const TOP = 84;
const BOTTOM = 14;

/** White for 0 to dark red, as an SVG picture. */
export function heatMap({
  title,
  rowTitle,
  columnTitle,
  rows,
  columns,
  values,
  show,
  dark: end,
}: HeatMap): string {
  const width = Math.max(LEFT + columns.length * CELL.width + 16, 480);
  const height = TOP + rows.length * CELL.height + BOTTOM;
  const most = Math.max(end, ...values.flat());
  const cells = values.flatMap((line, r) =>
    line.map((value, c) => {
      const share = Math.sqrt(Math.max(0, value) / most);
      const x = LEFT + c * CELL.width;
      const y = TOP + r * CELL.height;
      const dark = share > 0.6;
      return `<rect x="${x}" y="${y}" width="${CELL.width - 2}" height="${CELL.height - 2}" fill="${shade(share)}" stroke="#ddd"/><text x="${x + CELL.width / 2}" y="${y + CELL.height / 2 + 4}" text-anchor="middle" fill="${dark ? '#fff' : '#333'}">${show(value)}</text>`;
    }),
  );
  const heads = columns.map(
    (name, c) =>
      `<text x="${LEFT + (c + 0.5) * CELL.width}" y="${TOP - 8}" text-anchor="middle">${name}</text>`,
  );
  const sides = rows.map(
    (name, r) =>
      `<text x="${LEFT - 10}" y="${TOP + (r + 0.5) * CELL.height + 4}" text-anchor="end">${name}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" fill="#333">
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="16" y="26" font-size="16">${title}</text>
<text x="${LEFT}" y="52">${columnTitle}</text>
<text x="16" y="${TOP - 8}">${rowTitle}</text>
${[...heads, ...sides, ...cells].join('\n')}
</svg>
`;
}

function shade(share: number): string {
  const mix = (from: number, to: number) => Math.round(from + (to - from) * Math.min(1, share));
  return `rgb(${mix(255, 178)},${mix(255, 24)},${mix(255, 43)})`;
}
