import type { MyelinClient, Notice, Unsubscribe } from '../../remote/client/index.ts';
import { type GatewayAddress, projectsAt, told, watching } from './gateway.ts';
import { logLineWords } from './log-line.ts';
import { untilInterrupted } from './until-interrupted.ts';

/** Prints the newest lines of the log; with `follow`, what comes after them too. */
export async function logs(options: GatewayAddress & { lines: number; follow: boolean }): Promise<void> {
  await told(async () => {
    for (const line of await projectsAt(options).log(options.lines))
      process.stdout.write(`${logLineWords(line)}\n`);
  });
  if (!options.follow || process.exitCode === 1) return;
  await watching(options, async (client) => {
    const stop = printNotices(client);
    await untilInterrupted();
    stop();
  });
}

/** Prints what projects print and what happens to them, as it comes; and when the connection goes or comes back. */
export function printNotices(client: MyelinClient): Unsubscribe {
  let lost = false;
  const quiet = client.onConnection(({ state, reason }) => {
    if (state === 'reconnecting' && !lost)
      process.stderr.write(`connection lost (${reason}); trying again\n`);
    if (state === 'connected' && lost) process.stderr.write('connected again\n');
    lost = state === 'reconnecting';
  });
  const silent = client.onNotice((notice) => {
    const line = words(notice);
    if (line !== undefined) process.stdout.write(`${line}\n`);
  });
  return () => {
    quiet();
    silent();
  };
}

function words(notice: Notice): string | undefined {
  if (notice.type === 'log')
    return `${notice.project} ${notice.stream === 'stdout' ? '|' : '!'} ${notice.text}`;
  if (notice.type === 'progress') return `${notice.project ?? 'upload'} . ${notice.text}`;
  if (notice.type === 'worker') return `worker ${notice.state}`;
  return undefined;
}
