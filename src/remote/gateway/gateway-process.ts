import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { collectDefaultMetrics } from 'prom-client';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { monotonicNs, systemClock, unixS } from '../../platform/clock.ts';
import { packageRoot } from '../../platform/entry.ts';
import { ExclusiveName } from '../../platform/exclusive-name.ts';
import { outputIsKept, ServiceManager } from '../../platform/service-manager.ts';
import { isLoopback, readTls } from '../../serving/engine/listen.ts';
import { TokenStore } from '../auth/token-store.ts';
import { type SystemPaths, systemPaths } from '../config/paths.ts';
import type { Config } from '../config/settings.ts';
import { DiskStore } from '../projects/disk-store.ts';
import { ArmTelemetry } from './arm-telemetry.ts';
import { openingBanner, readyBanner, tokenUrl } from './banner.ts';
import { EventLog } from './event-log.ts';
import { type Gateway, startGateway } from './gateway.ts';
import { LogFile } from './log-file.ts';
import { guessLevel, parentMessageSchema, tellParent, untilAskedToEnd } from './parent-channel.ts';
import { ServiceReport } from './service-report.ts';
import type { EventLevel } from './telemetry.ts';
import { WorkerProcess } from './worker-process.ts';

export interface GatewayProcessOptions {
  readonly config: Config;
  /** Take the next free port when this one is in use. */
  readonly nextFreePort: boolean;
  /** Whether to start the worker. */
  readonly worker: boolean;
}

const TOKEN_FLUSH_MS = 60_000;
const LOG_LEVELS: Readonly<Record<EventLevel, 'info' | 'warn' | 'error'>> = {
  info: 'info',
  good: 'info',
  warning: 'warn',
  alarm: 'error',
};

/**
 * Runs the gateway until SIGINT, SIGTERM, SIGHUP or the end of its supervisor.
 * @throws MyelinError STORAGE_IN_USE, and what {@link startGateway} throws
 */
export async function runGateway(options: GatewayProcessOptions): Promise<void> {
  const { config } = options;
  const paths = systemPaths(config);
  // Two gateways of one storage would steal each other's worker.
  using lock = ExclusiveName.take(`myelin-gateway:${paths.storage}`);
  if (lock === undefined) throw new MyelinError('STORAGE_IN_USE', { path: paths.storage });
  await new GatewayProcess(options, paths).run();
}

class GatewayProcess {
  readonly #options: GatewayProcessOptions;
  readonly #paths: SystemPaths;
  readonly #supervised = process.send !== undefined;
  readonly #events = new EventLog(unixS);
  readonly #file: LogFile;
  readonly #log: pino.Logger;
  readonly #tokens: TokenStore;
  readonly #manager = new ServiceManager();

  constructor(options: GatewayProcessOptions, paths: SystemPaths) {
    this.#options = options;
    this.#paths = paths;
    this.#file = new LogFile(paths.log);
    const base = { pid: process.pid, name: 'gateway' };
    const timestamp = () => `,"time":"${new Date().toISOString()}"`;
    const formatters = { level: (label: string) => ({ level: label }) };
    this.#log = pino({ level: options.config['log.level'], base, timestamp, formatters }, this.#file);
    this.#tokens = new TokenStore(paths.tokens, { unixS });
  }

  async run(): Promise<void> {
    const ended = untilAskedToEnd();
    if (!this.#supervised) process.stdout.write(openingBanner());
    this.#events.subscribe(({ level, source, text }) => this.#log[LOG_LEVELS[level]]({ source }, text));
    const modelsFolder = join(packageRoot(), 'models');
    const { config } = this.#options;
    const arm = new ArmTelemetry({
      segment: config['arm.segment'],
      world: config['arm.world'],
      events: this.#events,
      modelsFolder,
      clock: systemClock,
    });
    const flush = setInterval(() => this.#flushTokens(), TOKEN_FLUSH_MS);
    try {
      const gateway = await this.#start(arm, modelsFolder);
      // Not before: a start that fails would keep a token that nobody was shown.
      await this.#serve(gateway, await this.#firstToken(), ended);
    } finally {
      clearInterval(flush);
      arm.close();
      await this.#tokens.flush();
      this.#log.info('ended');
      this.#file.close();
      if (process.connected) process.disconnect();
    }
  }

  /** Made once, and shown once. Not where it would be kept and others may read it: a journal, a container's log. */
  async #firstToken(): Promise<string | undefined> {
    if (!this.#tokens.empty || outputIsKept()) return undefined;
    return (await this.#tokens.create('first', 'admin')).token;
  }

  async #start(arm: ArmTelemetry, modelsFolder: string): Promise<Gateway> {
    const { config, nextFreePort } = this.#options;
    return await startGateway({
      config,
      paths: this.#paths,
      arm,
      events: this.#events,
      tokens: this.#tokens,
      // Looks and removes; new versions are made by the worker, which knows the languages.
      projects: await DiskStore.open({ storageDir: this.#paths.projects, kinds: [] }),
      tls: await readTls(config['tls.certificate'], config['tls.key']),
      version: packageVersion(),
      nowMs: () => monotonicNs() / 1e6,
      unixS,
      nextFreePort,
      pageFolder: join(packageRoot(), 'dist', 'console'),
      modelsFolder,
      canQuit: this.#supervised,
      onControl: (request) => tellParent({ kind: 'control', request }),
      logTail: (lines) => this.#file.tail(lines),
      onLog: (level, text, more = {}) => this.#log[level](more, text),
      onMetrics: (register) => collectDefaultMetrics({ register, prefix: 'myelin_' }),
    });
  }

  async #serve(gateway: Gateway, firstToken: string | undefined, ended: Promise<unknown>): Promise<void> {
    const { config } = this.#options;
    const worker = this.#options.worker ? this.#startWorker(gateway) : undefined;
    process.on('message', (message) => {
      const parsed = parentMessageSchema.safeParse(message);
      if (!parsed.success) return; // The channel is not only ours.
      const { process: from, text, level = guessLevel(text) } = parsed.data;
      this.#events.add(from, level, text);
    });
    this.#log.info({ url: gateway.url, worker: worker?.pid, storage: this.#paths.storage }, 'listening');
    if (this.#supervised) {
      tellParent({ kind: 'ready', url: gateway.url });
      if (firstToken !== undefined)
        tellParent({ kind: 'first-token', url: tokenUrl(gateway.url, firstToken) });
    } else {
      process.stdout.write(
        readyBanner({
          url: gateway.url,
          workerPid: worker?.pid,
          storage: this.#paths.storage,
          local: config['auth.local'],
          firstToken,
          anyToken: !this.#tokens.empty,
          exposed: !isLoopback(config['websocket.host']),
          secure: config['tls.certificate'] !== undefined,
        }),
      );
    }
    {
      using _report = new ServiceReport(this.#manager, `Listening at ${gateway.url}`, (thrown) =>
        this.#log.warn(`the service manager: ${String(thrown)}`),
      );
      await ended;
    }
    if (!this.#supervised) process.stdout.write('\nStopping...\n');
    await gateway.close();
    await worker?.close();
  }

  #startWorker(gateway: Gateway): WorkerProcess {
    const worker = new WorkerProcess({
      config: this.#options.config,
      paths: this.#paths,
      link: gateway.link,
      onLine: (line) => {
        this.#log.info({ source: 'worker' }, line);
        process.stdout.write(`${line}\n`);
      },
      onEvent: (text) => {
        this.#events.add('worker', guessLevel(text), text);
        process.stdout.write(`worker ${text}\n`);
      },
    });
    worker.start();
    return worker;
  }

  #flushTokens(): void {
    this.#tokens.flush().catch((thrown: unknown) => this.#log.warn(`tokens.json: ${String(thrown)}`));
  }
}

const packageVersion = (): string =>
  z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8'))).version;
