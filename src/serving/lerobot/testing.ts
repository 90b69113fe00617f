import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Policy } from '../../policies/policy.ts';
import { Engine, type EngineOptions } from '../engine/engine.ts';
import { HandPolicy } from '../engine/testing.ts';
import { CODECS, codecOf } from './codec.ts';
import { type CallLimits, LeRobotConnection } from './connection.ts';
import type { ObservationValue, RemotePolicyConfig, TimedActions } from './messages.ts';
import { type LeRobotServer, type LeRobotServerOptions, startLeRobotServer } from './server.ts';
import { ASYNC_INFERENCE } from './service.ts';
import { pieces } from './transfer.ts';

const codec = CODECS.pickle;
const LIMITS: CallLimits = { deadlineMs: 10_000 };

/** A client that does call by call what the stock one does, and no more. */
export class PlainClient {
  readonly connection: LeRobotConnection;
  readonly #limits: CallLimits;

  constructor(port: number, token?: string, limits = LIMITS) {
    this.#limits = limits;
    this.connection = new LeRobotConnection({ address: `127.0.0.1:${port}`, token });
  }

  ready = () => this.connection.call(ASYNC_INFERENCE.ready, {}, this.#limits);

  instruct = (config: Partial<RemotePolicyConfig> = {}) =>
    this.raw(codec.writePolicyConfig(robotConfig(config)));

  raw = (instructions: Uint8Array) =>
    this.connection.call(ASYNC_INFERENCE.sendPolicyInstructions, instructions, this.#limits);

  send(
    timestep: number,
    state: readonly number[] = [0, 0],
    { mustGo = false, more = {} }: { mustGo?: boolean; more?: Record<string, ObservationValue> } = {},
  ): Promise<object> {
    const values = new Map<string, ObservationValue>([
      ...state.map((value, i): [string, ObservationValue] => [`j${i}.pos`, value]),
      ['task', ''],
      ...Object.entries(more),
    ]);
    return this.upload(codec.writeObservation({ timestampS: 100 + timestep, timestep, mustGo, values }));
  }

  upload = (payload: Uint8Array, pieceBytes?: number) =>
    this.connection.upload(ASYNC_INFERENCE.sendObservations, pieces(payload, pieceBytes), this.#limits);

  async actions(): Promise<TimedActions | undefined> {
    const bytes = await this.connection.call(ASYNC_INFERENCE.getActions, {}, this.#limits);
    return bytes.length === 0 ? undefined : codecOf(bytes).readActions(bytes);
  }
}

export const robotConfig = (config: Partial<RemotePolicyConfig> = {}): RemotePolicyConfig => ({
  policyType: 'act',
  pretrainedNameOrPath: 'p',
  features: new Map([['observation.state', { dtype: 'float32', shape: [2], names: ['j0.pos', 'j1.pos'] }]]),
  actionsPerChunk: 20,
  device: 'cpu',
  renameMap: new Map(),
  ...config,
});

/** A policy that answers at once: `rows` rows that count up, or what the test makes of it. */
export class CountingPolicy extends HandPolicy {
  /** Called before each answer; throw to fail. */
  before: () => void = () => undefined;
  readonly rows: number;

  constructor(rows = 20) {
    super('counting');
    this.rows = rows;
  }

  override async infer(...[observation]: Parameters<HandPolicy['infer']>) {
    this.asked.push({ observation, options: {}, answer: () => undefined, fail: () => undefined });
    this.before();
    const dof = 2;
    return {
      actions: Float64Array.from({ length: this.rows * dof }, (_, i) => observation.timestep * 1000 + i),
      rows: this.rows,
      dof,
      stepPeriodS: 1 / 30,
      timestep: observation.timestep,
      observedNs: observation.timestampNs,
    };
  }
}

/** A server on a free port with the policy `p`, and whatever else a test needs; `close` ends all of it. */
export async function testServer(
  policy: Policy,
  options: Partial<LeRobotServerOptions & EngineOptions> = {},
): Promise<{
  server: LeRobotServer;
  engine: Engine;
  events: string[];
  connect: (token?: string, limits?: CallLimits) => PlainClient;
  close: () => Promise<void>;
}> {
  const engine = new Engine({ policies: new Map([['p', policy]]), ...options });
  const events: string[] = [];
  const server = await startLeRobotServer(engine, {
    port: 0,
    observationTimeoutS: 0.05,
    onEvent: (text) => events.push(text),
    ...options,
  });
  const clients: PlainClient[] = [];
  const connect = (token?: string, limits?: CallLimits) => {
    const client = new PlainClient(server.port, token, limits);
    clients.push(client);
    return client;
  };
  const close = async () => {
    for (const { connection } of clients) connection.close();
    await server.close();
    await engine.close();
  };
  return { server, engine, events, connect, close };
}

export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'myelin-lerobot-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
