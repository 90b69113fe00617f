import { join } from 'node:path';
import { systemClock } from '../../platform/clock.ts';
import { packageRoot } from '../../platform/entry.ts';
import { ArmTelemetry } from './arm-telemetry.ts';
import { EventLog } from './event-log.ts';
import { type PageServer, startPageServer } from './page-server.ts';
import { guessLevel, parentMessageSchema, tellParent, untilAskedToEnd } from './parent-channel.ts';

export interface PageProcessOptions {
  /** Name of the arm's segment. */
  readonly segment: string;
  /** Name of the simulated world; one that does not exist is simply not drawn. */
  readonly world?: string;
  /** Port on 127.0.0.1; the next free one is taken when it is in use. */
  readonly port: number;
}

/**
 * Runs the page until SIGTERM, SIGINT or the end of the parent. With a parent on an IPC channel it says when it
 * is ready, passes on requests, and shows the events the parent sends.
 * @throws MyelinError PORT_IN_USE
 */
export async function runPage(options: PageProcessOptions): Promise<void> {
  const events = new EventLog(systemClock.unixS);
  const modelsFolder = join(packageRoot(), 'models');
  const { segment, world, port } = options;
  const source = new ArmTelemetry({
    segment,
    events,
    modelsFolder,
    clock: systemClock,
    ...(world === undefined ? {} : { world }),
  });
  const supervised = process.send !== undefined;
  const server = await startPageServer({
    source,
    events,
    port,
    nextFreePort: true,
    pageFolder: join(packageRoot(), 'dist', 'console'),
    modelsFolder,
    canQuit: supervised,
    onControl: (request) => tellParent({ kind: 'control', request }),
  });
  process.on('message', (message) => {
    const parsed = parentMessageSchema.safeParse(message);
    if (!parsed.success) return; // The channel is not only ours.
    const { process: from, text, level = guessLevel(text) } = parsed.data;
    events.add(from, level, text);
  });
  if (supervised) tellParent({ kind: 'ready', url: server.url });
  else process.stdout.write(`The page is at ${server.url} (Ctrl-C ends it; the arm goes on without it)\n`);
  await untilAskedToEnd();
  await endPage(server, source);
}

async function endPage(server: PageServer, source: ArmTelemetry): Promise<void> {
  await server.close();
  source.close();
  if (process.connected) process.disconnect();
}
