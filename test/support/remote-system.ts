import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { monotonicNs, systemClock, unixS } from '../../src/platform/clock.ts';
import { packageRoot } from '../../src/platform/entry.ts';
import { TokenStore } from '../../src/remote/auth/token-store.ts';
import { loadConfig } from '../../src/remote/config/load-config.ts';
import { ExecutorKinds } from '../../src/remote/executors/kinds.ts';
import { ArmTelemetry } from '../../src/remote/gateway/arm-telemetry.ts';
import { EventLog } from '../../src/remote/gateway/event-log.ts';
import { type Gateway, startGateway } from '../../src/remote/gateway/gateway.ts';
import { DiskStore } from '../../src/remote/projects/disk-store.ts';
import { RIGHTS, type Right } from '../../src/remote/protocol/right.ts';
import { MachineSandbox } from '../../src/remote/sandbox/machine-sandbox.ts';
import { CommandServer } from '../../src/remote/worker/command-server.ts';
import { Publisher } from '../../src/remote/worker/publisher.ts';
import { SocketFile } from '../../src/remote/worker/socket-file.ts';
import { Worker } from '../../src/remote/worker/worker.ts';
import { uniqueName } from './processes.ts';

export interface RemoteSystemOptions {
  /** Where everything is kept. A new folder when left out. */
  readonly storage?: string;
  /** 0 takes any. */
  readonly port?: number;
  /** Files (path to text) of the project that ships. */
  readonly shipped?: Readonly<Record<string, string>>;
  /** Lines of the log. */
  readonly log?: readonly string[];
}

/**
 * The real gateway and the real worker over real ZeroMQ sockets, in this process: for tests that need many of them and
 * no death of a process. Projects run in processes of their own as ever.
 */
export class RemoteSystem {
  readonly storage: string;
  readonly tokens: Readonly<Record<Right, string>>;
  readonly #gateway: Gateway;
  readonly #close: () => Promise<void>;

  private constructor(
    storage: string,
    tokens: Record<Right, string>,
    gateway: Gateway,
    close: () => Promise<void>,
  ) {
    this.storage = storage;
    this.tokens = tokens;
    this.#gateway = gateway;
    this.#close = close;
  }

  static async open({ storage = temporary(), port = 0, shipped, log = [] }: RemoteSystemOptions = {}) {
    const storageDir = join(storage, 'projects');
    const sockets = ['cmd', 'callback'].map((name) => `ipc://${join(storage, `${name}.ipc`)}`);
    const [commandSocket = '', callbackSocket = ''] = sockets;
    for (const [path, text] of Object.entries(shipped ?? {})) {
      const file = join(storageDir, 'default', path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    const worker = await openWorker(storageDir, commandSocket, callbackSocket);
    const store = new TokenStore(join(storage, 'tokens.json'), { unixS });
    const tokens: Partial<Record<Right, string>> = {};
    for (const right of RIGHTS) tokens[right] = (await store.create(uniqueName(right), right)).token;
    const events = new EventLog(unixS);
    const segment = uniqueName('remote_system');
    const arm = new ArmTelemetry({
      segment,
      events,
      modelsFolder: join(packageRoot(), 'models'),
      clock: systemClock,
    });
    const gateway = await startGateway({
      config: loadConfig({ file: '/dev/null', flags: { storage, port, segment } }),
      paths: {
        storage,
        projects: storageDir,
        uploads: join(storageDir, 'uploads'),
        log: join(storage, 'app.log'),
        tokens: join(storage, 'tokens.json'),
        commandSocket,
        callbackSocket,
      },
      arm,
      events,
      tokens: store,
      projects: await DiskStore.open({ storageDir, kinds: [] }),
      version: '0.1.0',
      pageFolder: join(packageRoot(), 'dist', 'console'),
      nowMs: () => monotonicNs() / 1e6,
      unixS,
      logTail: async () => log,
      onLog: () => undefined,
    });
    return new RemoteSystem(storage, tokens as Record<Right, string>, gateway, async () => {
      await gateway.close();
      arm.close();
      await store.flush();
      await worker.close();
    });
  }

  get url(): string {
    return this.#gateway.url;
  }

  get port(): number {
    return this.#gateway.port;
  }

  close(): Promise<void> {
    return this.#close();
  }
}

async function openWorker(storageDir: string, commandSocket: string, callbackSocket: string) {
  const kinds = new ExecutorKinds(join(storageDir, '.cache'));
  const store = await DiskStore.open({
    storageDir,
    kinds: kinds.all,
    shipped: join(packageRoot(), 'projects', 'default'),
  });
  const sandbox = MachineSandbox.detect(false);
  const [commands, callbacks] = [
    await SocketFile.claim(commandSocket),
    await SocketFile.claim(callbackSocket),
  ];
  const publisher = await Publisher.bind(callbacks);
  const worker = new Worker({
    store,
    kinds,
    sandbox,
    count: 1,
    maxExecutionMs: 30_000,
    loadTimeoutMs: 30_000,
    publish: (message) => publisher.publish(message),
    onStarted: () => undefined,
    onEnded: () => undefined,
    // There is no arm.
    endTenure: () => false,
  });
  const server = await CommandServer.bind(commands, (command, reply) => worker.handle(command, reply));
  const beat = setInterval(
    () => publisher.publish({ type: 'status', data: { ...worker.status(), dropped: publisher.dropped } }),
    1000,
  );
  return {
    close: async () => {
      clearInterval(beat);
      await Promise.all([worker.close(), server.close()]);
      await publisher.close();
      sandbox.close();
      for (const file of [commands, callbacks]) file.close();
    },
  };
}

const temporary = (): string => mkdtempSync(join(tmpdir(), 'myelin-remote-'));
