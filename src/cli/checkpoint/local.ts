import { downloadOptions, readableBytes } from '../../policies/hub/download-notes.ts';
import type { DownloadProgress } from '../../policies/hub/hub-snapshot.ts';
import { localCheckpoint } from '../../policies/hub/local-checkpoint.ts';

/** What is said beside results goes to standard error, so that `--json` stays JSON. */
export const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** A checkpoint's path; one on the Hub is downloaded first, with a line that shows how far it is. */
export async function checkpointPath(pathOrReference: string): Promise<string> {
  if (process.stderr.isTTY !== true)
    return localCheckpoint(pathOrReference, downloadOptions(pathOrReference, say));
  let drawn = false;
  const path = await localCheckpoint(pathOrReference, {
    onNote: say,
    onProgress: (progress) => {
      drawn = true;
      process.stderr.write(`\r\x1b[K${progressLine(progress)}`);
    },
  });
  if (drawn) process.stderr.write('\n');
  return path;
}

const BAR = 24;

function progressLine({ file, bytes, totalBytes }: DownloadProgress): string {
  const share = totalBytes === 0 ? 1 : bytes / totalBytes;
  const done = Math.round(BAR * share);
  const bar = `${'#'.repeat(done)}${'.'.repeat(BAR - done)}`;
  return `[${bar}] ${Math.floor(100 * share)} % of ${readableBytes(totalBytes)}  ${file}`.slice(0, 100);
}
