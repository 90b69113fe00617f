import type { ExecutorKinds } from '../executors/kinds.ts';
import type { ProjectStore } from '../projects/project-store.ts';
import type { Command, Published, Reply } from '../protocol/ipc.ts';
import { MachineSandbox } from '../sandbox/machine-sandbox.ts';
import { viewsFolder } from '../sandbox/shared-view.ts';
import { ArmTenure } from './arm-tenure.ts';
import { CommandServer } from './command-server.ts';
import { Publisher } from './publisher.ts';
import { Reaper } from './reaper.ts';
import { SocketFile } from './socket-file.ts';
import { Worker } from './worker.ts';
import { type LogLevel, WorkerLog } from './worker-log.ts';

export interface WorkerProcessOptions {
  readonly store: ProjectStore;
  readonly kinds: ExecutorKinds;
  /** `ipc://` addresses. */
  readonly commandSocket: string;
  readonly callbackSocket: string;
  /** Project processes at a time. Default 1. */
  readonly count: number;
  /** Longest call, s. Default 300. */
  readonly maxExecutionS: number;
  /** Segment of the arm that one of them may drive. */
  readonly armSegment?: string;
  readonly requireSandbox: boolean;
  /** How much of what happens is written to standard output. */
  readonly logLevel: LogLevel;
}

const LOAD_TIMEOUT_MS = 60_000;
const STATUS_MS = 1000;

/**
 * Runs the worker until SIGTERM or SIGINT.
 * @throws MyelinError ADDRESS_IN_USE, SANDBOX_UNAVAILABLE
 */
export async function runWorker(options: WorkerProcessOptions): Promise<void> {
  const { store, kinds, count, maxExecutionS, armSegment } = options;
  const sandbox = MachineSandbox.detect(options.requireSandbox);
  const commands = await SocketFile.claim(options.commandSocket);
  const callbacks = await SocketFile.claim(options.callbackSocket);
  const publisher = await Publisher.bind(callbacks);
  let reaper: Reaper | undefined;
  const tenure = new ArmTenure(armSegment, ({ message, hint }) => {
    process.stderr.write(`The arm cannot be taken from a project: ${message}. ${hint}\n`);
  });
  // A supervisor hears of everything over the callback socket.
  const log = new WorkerLog(process.connected ? 'fatal' : options.logLevel, (line) =>
    process.stdout.write(`${line}\n`),
  );
  const publish = (message: Published) => {
    publisher.publish(message);
    log.published(message);
  };
  const worker = new Worker({
    store,
    kinds,
    sandbox,
    count,
    maxExecutionMs: maxExecutionS * 1000,
    loadTimeoutMs: LOAD_TIMEOUT_MS,
    ...(armSegment === undefined ? {} : { armSegment }),
    publish,
    onStarted: (pid) => reaper?.add(pid),
    onEnded: (pid) => {
      reaper?.forget(pid);
      tenure.end(pid);
    },
    endTenure: (pid) => tenure.end(pid),
  });
  const server = await CommandServer.bind(commands, (command, reply) => timed(command, reply, worker, log));
  reaper = new Reaper({
    sockets: [commands, callbacks],
    viewsFolder: viewsFolder(),
    cgroupFolders: sandbox.cgroupFolders,
  });
  const beat = setInterval(
    () => publisher.publish({ type: 'status', data: { ...worker.status(), dropped: publisher.dropped } }),
    STATUS_MS,
  );
  for (const { layer, active, detail } of sandbox.layers) {
    process.stdout.write(`Sandbox: ${layer} ${active ? 'on' : 'OFF'} (${detail})\n`);
  }
  process.stdout.write(`Worker ready: commands at ${commands.address}, callbacks at ${callbacks.address}\n`);
  await untilAskedToEnd();
  clearInterval(beat);
  await Promise.all([worker.close(), server.close(4000)]);
  await publisher.close();
  sandbox.close();
  for (const file of [commands, callbacks]) file.close();
  reaper.close();
}

async function timed(
  command: Command,
  reply: (answer: Reply) => void,
  worker: Worker,
  log: WorkerLog,
): Promise<void> {
  const startedMs = performance.now();
  const ended = (status: string) => log.answered(command.command, status, performance.now() - startedMs);
  try {
    await worker.handle(command, reply);
    ended('answered');
  } catch (thrown) {
    ended('failed');
    throw thrown;
  }
}

const untilAskedToEnd = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
