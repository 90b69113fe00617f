import { homedir } from 'node:os';
import { join } from 'node:path';
import { armDescription, loadKinematics } from '../arms/catalogue.ts';
import { collectRarely } from '../platform/heap-growth.ts';
import { adaptedToPi } from '../policies/aloha-space.ts';
import { openPolicy } from '../policies/open-policy.ts';
import type { Policy } from '../policies/policy.ts';
import { createScriptedPolicy } from '../policies/scripted/scripted-policy.ts';
import { subtaskTemplate } from '../policies/subtask/template.ts';
import { Engine, type EngineStats } from '../serving/engine/engine.ts';
import { type ListenOptions, readTls } from '../serving/engine/listen.ts';
import { createNoopPolicy } from '../serving/engine/noop-policy.ts';
import { startLeRobotServer } from '../serving/lerobot/server.ts';
import { startOpenpiServer } from '../serving/openpi/openpi-server.ts';
import { startPi05Server } from '../serving/pi05/pi05-server.ts';
import { type ModelFlags, modelOptions } from './model-flags.ts';
import type { PoolFlags } from './pool-flags.ts';
import { joinPool, openElsewhere } from './pool-run.ts';

export interface PolicyServerOptions extends ModelFlags, PoolFlags {
  readonly checkpoint?: string;
  readonly policy?: 'noop' | 'scripted';
  readonly host: string;
  readonly port: number;
  readonly lerobot: boolean;
  readonly openpiPort?: number;
  readonly pi05Port?: number;
  readonly camera: Readonly<Record<string, string>>;
  readonly openpiRobot?: string;
  readonly adaptToPi: boolean;
  readonly defaultPrompt?: string;
  readonly fps: number;
  readonly inferenceLatency: number;
  readonly obsQueueTimeout: number;
  readonly similarity: number;
  readonly deadline: number;
  readonly maxBatch: number;
  readonly allow: readonly string[];
  readonly anyName: boolean;
  readonly token?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly insecure: boolean;
  readonly allowRandomImages: boolean;
  readonly subtaskTemplate: string;
  readonly stateFile?: string;
  readonly model: 'X5' | 'L5';
}

const REPORT_MS = 10_000;
const say = (text: string) => process.stdout.write(`${text}\n`);
const event = (protocol: string) => (text: string) => say(`${protocol.padEnd(10)} ${text}`);

interface Closing {
  close(): Promise<void>;
}

/** A server that listens. */
interface Listening extends Closing {
  readonly host: string;
  readonly port: number;
}

/** Serves until it is told to stop. Returns the exit code. */
export async function runPolicyServer(options: PolicyServerOptions): Promise<number> {
  collectRarely();
  const leaving = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    leaving.signal.addEventListener('abort', () => resolve());
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => leaving.abort());
  const engine = await createEngine(options, leaving.signal).catch((thrown: unknown) => {
    if (leaving.signal.aborted) return undefined;
    throw thrown;
  });
  if (engine === undefined) return 0;
  const servers: Closing[] = [];
  let report: NodeJS.Timeout | undefined;
  try {
    // A port that is taken is said before minutes go into loading.
    const listen = await listenOptions(options);
    for (const start of protocols(engine, options, listen)) {
      const { title, server } = await start();
      servers.push(server);
      say(`listening  ${title} at ${server.host}:${server.port}`);
    }
    if (options.insecure) say('insecure   everyone who reaches these ports may use them');
    const loaded = await Promise.race([engine.open(), stopped]);
    if (loaded === undefined) return 0;
    const { name, chunkRows, cameras } = loaded.spec;
    const seen = cameras.map((camera) => camera.name).join(', ') || 'none';
    say(
      `ready      ${name}: ${chunkRows} actions a chunk, cameras: ${seen}, loaded in ${loaded.loadMs.toFixed(0)} ms`,
    );
    const worker = await joinPool(engine, options, event('pool'));
    if (worker !== undefined) {
      servers.push(worker);
      say(`joined     ${worker.title}`);
    }
    report = reportNews(engine);
    await stopped;
    return 0;
  } finally {
    clearInterval(report);
    await Promise.all(servers.map((server) => server.close()));
    await engine.close();
  }
}

async function createEngine(options: PolicyServerOptions, signal: AbortSignal): Promise<Engine> {
  const builtIn =
    options.policy === undefined
      ? await openElsewhere(options, event('pool'), signal)
      : { name: options.policy, policy: openBuiltIn(options) };
  const adapted = (policy: Policy) => (options.adaptToPi ? adaptedToPi(policy) : policy);
  return new Engine({
    ...(builtIn === undefined ? {} : { policies: new Map([[builtIn.name, adapted(builtIn.policy)]]) }),
    ...(options.checkpoint === undefined ? {} : { checkpoint: options.checkpoint }),
    allow: options.allow,
    ignoreNames: options.anyName || builtIn !== undefined,
    deadlineMs: options.deadline * 1000,
    opener: async (path, open) => adapted(await openPolicy(path, open)),
    open: {
      ...modelOptions(options),
      ...(options.maxBatch > 1 ? { batching: { maxBatch: options.maxBatch } } : {}),
      stepPeriodS: 1 / options.fps,
      subtaskTemplate: subtaskTemplate(options.subtaskTemplate),
      onNote: (text) => say(`model      ${text}`),
    },
  });
}

function openBuiltIn({ policy, model, fps }: PolicyServerOptions): Policy {
  const stepPeriodS = 1 / fps;
  if (policy === 'noop') return createNoopPolicy({ stepPeriodS });
  const description = armDescription(model);
  return createScriptedPolicy({ description, kinematics: loadKinematics(description), stepPeriodS });
}

async function listenOptions({
  host,
  tlsCert,
  tlsKey,
  insecure,
  ...options
}: PolicyServerOptions): Promise<ListenOptions> {
  const token = options.token ?? process.env.MYELIN_TOKEN;
  const tls = await readTls(tlsCert, tlsKey);
  return { host, insecure, tls, ...(token === undefined || token === '' ? {} : { token }) };
}

function protocols(engine: Engine, options: PolicyServerOptions, listen: ListenOptions) {
  const starts: (() => Promise<{ title: string; server: Listening }>)[] = [];
  const { port, openpiPort, pi05Port } = options;
  if (options.lerobot) {
    starts.push(async () => ({
      title: 'LeRobot (gRPC)',
      server: await startLeRobotServer(engine, {
        ...listen,
        port,
        fps: options.fps,
        inferenceLatencyS: options.inferenceLatency,
        observationTimeoutS: options.obsQueueTimeout,
        similarity: options.similarity,
        memoryFile: options.stateFile ?? stateFile(port),
        onEvent: event('lerobot'),
      }),
    }));
  }
  if (openpiPort !== undefined) {
    starts.push(async () => ({
      title: 'openpi (WebSocket)',
      server: await startOpenpiServer(engine, {
        ...listen,
        port: openpiPort,
        robot: options.openpiRobot,
        cameras: options.camera,
        ...(options.defaultPrompt === undefined ? {} : { defaultPrompt: options.defaultPrompt }),
        onEvent: event('openpi'),
      }),
    }));
  }
  if (pi05Port !== undefined) {
    const { allowRandomImages } = options;
    starts.push(async () => ({
      title: 'pi0.5 (WebSocket)',
      server: await startPi05Server(engine, {
        ...listen,
        port: pi05Port,
        cameras: options.camera,
        allowRandomImages,
        onEvent: event('pi05'),
      }),
    }));
  }
  return starts;
}

/** What clients asked of the server on that port, for the next one there. */
const stateFile = (port: number): string =>
  join(
    process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'),
    'myelin',
    `policy-server-${port}.json`,
  );

/** A line every ten seconds in which something was asked. */
function reportNews(engine: Engine): NodeJS.Timeout {
  let before = total(engine.stats());
  return setInterval(() => {
    const stats = engine.stats();
    const now = total(stats);
    const answered = now.answered - before.answered;
    if (now.requests > before.requests) {
      const mean = (key: 'queueMs' | 'modelMs') =>
        ((now[key] - before[key]) / Math.max(1, answered)).toFixed(1);
      const bad = (['failed', 'expired', 'replaced'] as const)
        .filter((key) => now[key] > before[key])
        .map((key) => `, ${now[key] - before[key]} ${key}`);
      say(
        `requests   ${answered} answered${bad.join('')}; queued ${mean('queueMs')} ms, model ${mean('modelMs')} ms; ${stats.sessions} clients`,
      );
    }
    before = now;
  }, REPORT_MS).unref();
}

const total = ({ policies }: EngineStats): EngineStats['policies'][number]['counts'] => {
  const sum = { requests: 0, answered: 0, failed: 0, replaced: 0, expired: 0, modelMs: 0, queueMs: 0 };
  for (const { counts } of policies) {
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += counts[key];
  }
  return sum;
};
