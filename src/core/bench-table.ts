/** One benchmark's result: a table with what it took to make it. Printed by the command and kept in the docs. */
export interface BenchTable {
  readonly title: string;
  /** The command that makes this table again. */
  readonly command: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  /** One sentence each: conditions, what was missed, what could not be measured here and why. */
  readonly notes: readonly string[];
}

/** The value below which `share` (0 to 1) of the sorted values lie; NaN for no values. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Four digits are enough for people; `Number` drops the zeros that say nothing. */
const cell = (value: string | number): string =>
  typeof value === 'string' || Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));

/** The table as Markdown, columns aligned so that it also reads well in a terminal. */
export function toMarkdown(table: BenchTable): string {
  const rows = [table.columns, ...table.rows.map((row) => row.map(cell))];
  const widths = table.columns.map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length), 3),
  );
  const line = (row: readonly string[]) =>
    `| ${widths.map((width, i) => (row[i] ?? '').padEnd(width)).join(' | ')} |`;
  return [
    `## ${table.title}`,
    '',
    `\`${table.command}\``,
    '',
    line(table.columns),
    `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`,
    ...rows.slice(1).map(line),
    ...(table.notes.length > 0 ? ['', ...table.notes.map((note) => `- ${note}`)] : []),
    '',
  ].join('\n');
}
