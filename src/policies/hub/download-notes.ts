import type { HubOptions } from './hub-snapshot.ts';

/** Progress is told at each of these shares. */
const STEP = 0.1;

/** Options that tell a download in sentences: when it begins, at every tenth, and when the cache has to do. */
export function downloadOptions(
  what: string,
  onNote: ((sentence: string) => void) | undefined,
): Pick<HubOptions, 'onNote' | 'onProgress'> {
  if (onNote === undefined) return {};
  let next = 0;
  return {
    onNote,
    onProgress: ({ bytes, totalBytes, file }) => {
      const share = totalBytes === 0 ? 1 : bytes / totalBytes;
      if (share < next) return;
      next = Math.floor(share / STEP + 1) * STEP;
      onNote(`downloading ${what}: ${Math.floor(100 * share)} % of ${readableBytes(totalBytes)} (${file})`);
    },
  };
}

/** `907 MB`: in the decimal units that networks and the Hub's pages count in. */
export function readableBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toPrecision(3)} ${units[power]}`;
}
