import type { ActionChunk } from '../../../core/chunk.ts';
import { MyelinError, toMyelinError } from '../../../core/errors.ts';
import type { Observation } from '../../../core/observation.ts';
import type { InferOptions, Policy, PolicySpec, Subtask, SubtaskOptions } from '../../../policies/policy.ts';
import { untilAborted } from '../../engine/until-aborted.ts';
import { Upstream, type UpstreamServer, type UpstreamSettings } from './upstream.ts';

export interface UpstreamPolicyOptions {
  /** Servers of the same policy, each with what it must be told. */
  readonly servers: readonly UpstreamServer[];
  /** Connections to each, and so requests at once. Default 1: engines that batch want more. */
  readonly connections?: number | undefined;
  /** Milliseconds between looks at idle servers. Default 2000. */
  readonly healthMs?: number | undefined;
  /** Something people should know. Default: nobody is told. */
  readonly onEvent?: ((text: string) => void) | undefined;
  /** How a connection is made. Default `openOpenpiPolicy`. */
  readonly open?: UpstreamSettings['open'];
}

/** Failures that another server need not share. */
const ELSEWHERE = new Set([
  'SERVER_UNREACHABLE',
  'SERVER_REFUSED',
  'DEADLINE_EXCEEDED',
  'POLICY_OUTPUT_INVALID',
]);

/**
 * A policy on several servers of other engines (openpi, SGLang, vLLM-Omni, Myelin): each request goes to the least
 * loaded one that is well, and to one other when that fails. Those engines keep no episode of pi0 or pi0.5 in mind,
 * so any of them may answer any request.
 */
export class UpstreamPolicy implements Policy {
  readonly spec: PolicySpec;
  readonly parallelCalls: number;
  /** There where the servers' policy writes subtasks. */
  readonly generateSubtask?: (observation: Observation, options: SubtaskOptions) => Promise<Subtask>;
  readonly #upstreams: readonly Upstream[];
  readonly #checking: NodeJS.Timeout;

  constructor(spec: PolicySpec, upstreams: readonly Upstream[], connections: number, healthMs: number) {
    this.spec = spec;
    this.parallelCalls = upstreams.length * connections;
    this.#upstreams = upstreams;
    if (spec.subtasks) this.generateSubtask = (observation, asked) => this.#subtask(observation, asked);
    this.#checking = setInterval(() => {
      for (const upstream of upstreams) void upstream.checkHealth();
    }, healthMs);
  }

  /** Servers and how they are, for people. */
  get status(): readonly { readonly url: string; readonly well: boolean; readonly inFlight: number }[] {
    return this.#upstreams.map(({ url, well, inFlight }) => ({ url, well, inFlight }));
  }

  /** @throws MyelinError UPSTREAMS_DOWN, and what the servers' own policies throw */
  async infer(observation: Observation, options: InferOptions = {}): Promise<ActionChunk> {
    const { signal } = options;
    return this.#anywhere(async (upstream) => {
      const chunk = await untilAborted(upstream.infer(observation, options), signal);
      this.#check(chunk);
      return chunk;
    }, signal);
  }

  reset(): void {
    for (const upstream of this.#upstreams) upstream.reset();
  }

  async close(): Promise<void> {
    clearInterval(this.#checking);
    await Promise.all(this.#upstreams.map((upstream) => upstream.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #subtask(observation: Observation, options: SubtaskOptions): Promise<Subtask> {
    const { signal } = options;
    return this.#anywhere(
      (upstream) => untilAborted(upstream.generateSubtask(observation, options), signal),
      signal,
    );
  }

  /** Has the least loaded server do it, and one other when that one fails. */
  async #anywhere<Result>(
    work: (upstream: Upstream) => Promise<Result>,
    signal: AbortSignal | undefined,
  ): Promise<Result> {
    let failed: Upstream | undefined;
    for (;;) {
      signal?.throwIfAborted();
      const upstream = this.#best(failed);
      if (upstream === undefined) {
        await untilAborted(this.#whenFree(failed), signal);
        continue;
      }
      try {
        return await work(upstream);
      } catch (thrown) {
        const another = this.#upstreams.some((each) => each !== upstream && each.well);
        const elsewhere = another && ELSEWHERE.has(toMyelinError(thrown).code);
        if (failed !== undefined || !elsewhere || signal?.aborted) throw thrown;
        failed = upstream;
      }
    }
  }

  /** The server with the shortest wait of those that are free; to be used before anything else happens. */
  #best(failed: Upstream | undefined): Upstream | undefined {
    const free = this.#upstreams.filter((each) => each.available && each !== failed);
    const known = free.flatMap(({ usualMs }) => usualMs ?? []).sort((a, b) => a - b);
    const usualMs = known[Math.floor(known.length / 2)] ?? 1;
    return free.sort((a, b) => a.waitMs(usualMs) - b.waitMs(usualMs))[0];
  }

  /** @throws MyelinError UPSTREAMS_DOWN when there is nothing to wait for */
  async #whenFree(failed: Upstream | undefined): Promise<void> {
    const busy = this.#upstreams.filter((each) => each.well && each !== failed && each.inFlight > 0);
    if (busy.length === 0) throw down(this.#upstreams);
    await Promise.race(busy.map((each) => each.whenFree()));
  }

  /** A server that came later may serve something else. */
  #check({ dof, rows }: ActionChunk): void {
    const wanted = this.spec.actionNames.length;
    if (dof === wanted && rows > 0) return;
    throw new MyelinError('POLICY_OUTPUT_INVALID', { detail: `rows of ${dof} actions, not ${wanted}` });
  }
}

/**
 * Connects to servers of other engines. Those that cannot be reached now are used when they can.
 * @throws MyelinError UPSTREAMS_DOWN when none can be reached, INVALID_ARGUMENT when they serve different policies
 * @example
 * const policy = await openUpstreamPolicy({
 *   servers: ['ws://gpu1:8000', 'ws://gpu2:8000'].map((url) => ({ url, robot: 'libero' })),
 * });
 */
export async function openUpstreamPolicy(options: UpstreamPolicyOptions): Promise<UpstreamPolicy> {
  const { servers, connections = 1, healthMs = 2000, onEvent = () => undefined, open } = options;
  if (servers.some(({ url }) => /\/\/[^/]*@/.test(url)))
    throw new MyelinError('INVALID_ARGUMENT', {
      name: '--upstream',
      value: 'an address with a password in it',
      allowed: 'without: addresses are shown; give the key as MYELIN_TOKEN',
    });
  const settings: UpstreamSettings = { connections, healthTimeoutMs: healthMs, onEvent, open };
  const upstreams = servers.map((server) => new Upstream(server, settings));
  const specs = await Promise.allSettled(upstreams.map((upstream) => upstream.spec()));
  const found = specs.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  try {
    const [spec] = found;
    if (spec === undefined) {
      // What the caller has to correct comes before what may pass.
      const own = specs.find(
        (each) => each.status === 'rejected' && toMyelinError(each.reason).code === 'INVALID_ARGUMENT',
      );
      throw own?.status === 'rejected' ? own.reason : down(upstreams);
    }
    const other = found.find((each) => essence(each) !== essence(spec));
    if (other !== undefined)
      throw new MyelinError('INVALID_ARGUMENT', {
        name: '--upstream',
        value: `servers of different policies (${spec.name} and ${other.name})`,
        allowed: 'servers of the same policy; serve the others from another program',
      });
    return new UpstreamPolicy(spec, upstreams, connections, healthMs);
  } catch (thrown) {
    await Promise.all(upstreams.map((upstream) => upstream.close()));
    throw thrown;
  }
}

const essence = ({ cameras, stateNames, actionNames, chunkRows, subtasks }: PolicySpec): string =>
  JSON.stringify([cameras, stateNames, actionNames, chunkRows, subtasks]);

const down = (upstreams: readonly Upstream[]): MyelinError =>
  new MyelinError('UPSTREAMS_DOWN', {
    count: upstreams.length,
    reasons: upstreams.map(({ url, fault }) => `${url}: ${fault}`).join('; '),
  });
