/** As much of a line as a terminal shows without wrapping. One that says it has no columns (a serial line) has 80. */
export const fitLine = (line: string, columns: number | undefined = process.stdout.columns): string =>
  line.slice(0, (columns || 80) - 1);
