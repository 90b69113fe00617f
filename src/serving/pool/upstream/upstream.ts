import type { ActionChunk } from '../../../core/chunk.ts';
import { MyelinError, toMyelinError } from '../../../core/errors.ts';
import type { Observation } from '../../../core/observation.ts';
import type { InferOptions, Policy, PolicySpec, Subtask, SubtaskOptions } from '../../../policies/policy.ts';
import { openOpenpiPolicy } from '../../openpi/open-openpi-policy.ts';
import type { OpenpiPolicyOptions } from '../../openpi/openpi-policy.ts';
import { withCameraNames } from './camera-names.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import { healthFault } from './health.ts';

/** A server, and what it must be told. */
export interface UpstreamServer extends OpenpiPolicyOptions {
  /** The server's name of a camera to the robot's, where they differ: `{ base_0_rgb: 'front' }`. */
  readonly cameraNames?: Readonly<Record<string, string>> | undefined;
}

export interface UpstreamSettings {
  /** Connections, and so requests at once. */
  readonly connections: number;
  readonly healthTimeoutMs: number;
  /** Something people should know. */
  readonly onEvent: (text: string) => void;
  /** How a connection is made. Default `openOpenpiPolicy`. */
  readonly open?: ((options: OpenpiPolicyOptions) => Promise<Policy>) | undefined;
}

/** Failures in a row after which a server is left alone. */
const THRESHOLD = 3;
/** Share of the newest answer in the usual time. */
const NEWEST_SHARE = 0.2;
/** The server is not to blame for these. */
const CALLERS_FAULT = new Set([
  'OBSERVATION_MISMATCH',
  'REQUEST_CANCELLED',
  'INVALID_ARGUMENT',
  'REQUEST_REPLACED',
  'SUBTASKS_UNSUPPORTED',
]);

/** One server of another engine: its connections, how busy and how well it is. */
export class Upstream {
  readonly url: string;
  readonly #server: UpstreamServer;
  readonly #settings: UpstreamSettings;
  readonly #breaker = new CircuitBreaker(THRESHOLD, () => performance.now());
  /** Connections, and whether each works on a request. */
  readonly #lanes: { policy: Promise<Policy> | undefined; busy: boolean }[];
  readonly #waiting = new Set<() => void>();
  #usualMs: number | undefined;
  #lastFault: string | undefined;
  #closed = false;

  constructor(server: UpstreamServer, settings: UpstreamSettings) {
    this.url = server.url;
    this.#server = server;
    this.#settings = settings;
    this.#lanes = Array.from({ length: settings.connections }, () => ({ policy: undefined, busy: false }));
  }

  /** Requests under way. */
  get inFlight(): number {
    return this.#lanes.filter(({ busy }) => busy).length;
  }

  /** Whether it takes a request now. */
  get available(): boolean {
    return !this.#closed && this.#breaker.allows && this.#lanes.some(({ busy }) => !busy);
  }

  /** Whether it is in use at all, be it busy. */
  get well(): boolean {
    return this.#breaker.state !== 'open';
  }

  /** Why it is not, for people. */
  get fault(): string {
    return this.#lastFault ?? 'it has not answered yet';
  }

  /** Milliseconds a request would take about, by those under way and the usual time of an answer. */
  waitMs(usualElsewhereMs: number): number {
    return (1 + this.inFlight) * (this.#usualMs ?? usualElsewhereMs);
  }

  get usualMs(): number | undefined {
    return this.#usualMs;
  }

  /** What it serves. @throws as `openOpenpiPolicy` */
  async spec(): Promise<PolicySpec> {
    return (await this.#use((policy) => Promise.resolve(policy))).spec;
  }

  /** @throws MyelinError as OpenpiPolicy */
  infer(observation: Observation, options: InferOptions): Promise<ActionChunk> {
    // The signal stays here: a connection is busy until its answer has come, whoever still waits for it.
    const { signal: _, ...rest } = options;
    return this.#use(async (policy) => {
      const startedMs = performance.now();
      const chunk = await policy.infer(observation, rest);
      const ms = performance.now() - startedMs;
      this.#usualMs = this.#usualMs === undefined ? ms : this.#usualMs + NEWEST_SHARE * (ms - this.#usualMs);
      return chunk;
    });
  }

  /** @throws MyelinError SUBTASKS_UNSUPPORTED, and as OpenpiPolicy */
  generateSubtask(observation: Observation, options: SubtaskOptions): Promise<Subtask> {
    const { signal: _, ...rest } = options;
    return this.#use((policy) => {
      if (policy.generateSubtask === undefined)
        throw new MyelinError('SUBTASKS_UNSUPPORTED', { policy: policy.spec.name });
      return policy.generateSubtask(observation, rest);
    });
  }

  /** Resolves when a connection has become free. */
  whenFree(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  /** The episode is over, for servers that remember one. */
  reset(): void {
    for (const { policy } of this.#lanes) policy?.then((open) => open.reset()).catch(() => undefined);
  }

  /**
   * Looks after it while nothing else does. A page that answers is no model that answers: a server that is left alone
   * is tried by the next request, a page that does not answer saves that request.
   */
  async checkHealth(): Promise<void> {
    if (this.#closed || this.inFlight > 0 || !this.#breaker.allows) return;
    this.#breaker.begin();
    const fault = await healthFault(this.url, this.#settings.healthTimeoutMs, this.#server.ca);
    if (fault === undefined) this.#breaker.abandon();
    else this.#failed(fault, false);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const open = await Promise.allSettled(this.#lanes.map(({ policy }) => policy));
    await Promise.all(open.map((each) => (each.status === 'fulfilled' ? each.value?.close() : undefined)));
  }

  async #use<Result>(work: (policy: Policy) => Promise<Result>): Promise<Result> {
    const lane = this.#lanes.find(({ busy }) => !busy);
    if (lane === undefined) throw new Error('every connection is busy');
    lane.busy = true;
    this.#breaker.begin();
    try {
      const opening = lane.policy ?? this.#open();
      lane.policy = opening;
      const policy = await opening.catch((thrown: unknown) => {
        lane.policy = undefined;
        throw thrown;
      });
      const result = await work(policy);
      this.#worked();
      return result;
    } catch (thrown) {
      const error = toMyelinError(thrown);
      if (CALLERS_FAULT.has(error.code)) this.#breaker.abandon();
      else this.#failed(error.message, error.code === 'SERVER_UNREACHABLE');
      throw error;
    } finally {
      lane.busy = false;
      for (const tell of this.#waiting) tell();
      this.#waiting.clear();
    }
  }

  async #open(): Promise<Policy> {
    const { open = openOpenpiPolicy } = this.#settings;
    const { cameraNames = {}, ...server } = this.#server;
    return withCameraNames(await open(server), cameraNames);
  }

  #worked(): void {
    if (this.#breaker.state !== 'closed') this.#settings.onEvent(`${this.url} is back`);
    this.#breaker.succeed();
  }

  /** @param gone whether there is nothing to wait for: it is left alone at once */
  #failed(fault: string, gone: boolean): void {
    const before = this.#breaker.state;
    this.#lastFault = fault;
    this.#breaker.fail(gone ? THRESHOLD : 1);
    if (before === 'closed' && this.#breaker.state === 'open')
      this.#settings.onEvent(`${this.url} is left alone for a while: ${fault}`);
  }
}
