import { HttpClient, MyelinClient, ProjectsClient, RemoteError } from '../../remote/client/index.ts';
import { userFailureSchema } from '../../remote/executors/user-failure.ts';

/** Where the robot's gateway is, and what lets us in. */
export interface GatewayAddress {
  readonly url: string;
  readonly token?: string | undefined;
}

/** Requests over HTTP alone. */
export const projectsAt = (address: GatewayAddress): ProjectsClient =>
  new ProjectsClient(new HttpClient(address));

/**
 * Runs `work` with a connection that only watches, which is closed at the end: whoever operates goes on. Prints a
 * refusal with its hint; exit code 1 then.
 */
export async function watching(
  address: GatewayAddress,
  work: (client: MyelinClient) => Promise<void>,
): Promise<void> {
  await told(async () => {
    const client = new MyelinClient({ ...address, watch: true });
    try {
      await client.ready();
      await work(client);
    } finally {
      client.close();
    }
  });
}

/** Prints what the robot refused, as the command line prints its own errors. */
export async function told(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    if (!(thrown instanceof RemoteError)) throw thrown;
    const { message, hint, data } = thrown;
    const { data: failure } = userFailureSchema.safeParse(data);
    process.stderr.write(
      `${failure?.traceback ?? ''}myelin: ${message}\n${hint === '' ? '' : `  hint: ${hint}\n`}`,
    );
    process.exitCode = 1;
  }
}

/** Twelve digits of a version: enough to name it. */
export const short = (version: string): string => version.slice(0, 12);

/** `3.4 MB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
}
