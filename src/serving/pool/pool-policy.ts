import { hostname } from 'node:os';
import type { ActionChunk } from '../../core/chunk.ts';
import { MyelinError } from '../../core/errors.ts';
import type { Observation } from '../../core/observation.ts';
import type { InferOptions, Policy, PolicySpec, Subtask, SubtaskOptions } from '../../policies/policy.ts';
import { writeExtension } from '../openpi/extension.ts';
import { wireMap } from '../openpi/wire-value.ts';
import { readChunk } from './messages.ts';
import type { NatsOptions } from './nats-link.ts';
import { PoolLink } from './pool-link.ts';
import { PoolSession } from './pool-session.ts';
import { writeObservation } from './wire-observation.ts';

export interface PoolPolicyOptions extends NatsOptions {
  /** Name of the pool. Default `default`. */
  readonly pool?: string | undefined;
  /** Model by its name in the pool. Default: the only one there is. */
  readonly model?: string | undefined;
  /** Who this is, for the workers' operators. Default: the name of this machine. */
  readonly client?: string | undefined;
  /** Time for an answer, whatever happens to workers meanwhile, ms. Default 10 000. */
  readonly deadlineMs?: number | undefined;
  /** Time after which a second worker is asked, ms; 0 never. Default: three times what nine of ten answers take. */
  readonly hedgeMs?: number | undefined;
  /** 1 to 100 sends pictures as JPEG of that quality. Default: as they are. */
  readonly jpegQuality?: number | undefined;
  /** Bytes an answer may have. Default 64 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Something people should know. Default: nobody is told. */
  readonly onEvent?: ((text: string) => void) | undefined;
}

/** Robots that one connection speaks for at the same time. */
const PARALLEL_CALLS = 256;

/** A policy in the pool: whichever worker has it. */
export class PoolPolicy implements Policy {
  readonly spec: PolicySpec;
  readonly parallelCalls = PARALLEL_CALLS;
  readonly generateSubtask?: (observation: Observation, options: SubtaskOptions) => Promise<Subtask>;
  /** There for policies that look back. */
  readonly observe?: (observation: Observation) => void;
  readonly #session: PoolSession;
  readonly #options: PoolPolicyOptions;
  readonly #closeLink: () => Promise<void>;
  readonly #forks = new Set<PoolPolicy>();
  #forked = 0;
  #resetDue = false;

  constructor(
    spec: PolicySpec,
    session: PoolSession,
    options: PoolPolicyOptions,
    closeLink: () => Promise<void>,
  ) {
    this.spec = spec;
    this.#session = session;
    this.#options = options;
    this.#closeLink = closeLink;
    if (session.looksBack) this.observe = (observation) => void this.#show(observation);
    if (spec.subtasks) this.generateSubtask = (observation, asked) => this.#subtask(observation, asked);
  }

  /** The worker this robot is pinned to, and how often that was another one. */
  get pinned(): { readonly worker: string | undefined; readonly repins: number } {
    return { worker: this.#session.worker, repins: this.#session.repins };
  }

  /**
   * @throws MyelinError DEADLINE_EXCEEDED, POOL_NO_WORKER, POOL_UNREACHABLE, POLICY_OUTPUT_INVALID, and what the
   *   worker's policy throws
   */
  async infer(observation: Observation, options: InferOptions = {}): Promise<ActionChunk> {
    const { noise, seed, flowSteps, realTimeChunk, subtask, signal } = options;
    const reset = this.#resetDue || undefined;
    this.#resetDue = false;
    const wire = await writeObservation(observation, this.#options.jpegQuality);
    const answer = await this.#session.request(
      (deadlineMs) =>
        wireMap({
          kind: 'infer',
          observation: wire,
          options: writeExtension({ deadlineMs, reset, noise, seed, flowSteps, realTimeChunk }),
          subtask: subtask && wireMap({ text: subtask.text, tokens: subtask.tokens }),
        }),
      signal,
    );
    if (answer.kind !== 'chunk') throw unexpected(answer.kind);
    return readChunk(answer, observation, this.spec.actionNames.length);
  }

  /** The worker forgets the episode with the next request. */
  reset(): void {
    this.#resetDue = true;
  }

  /** Another robot's share of the same connection, pinned on its own. */
  fork(): PoolPolicy {
    this.#forked += 1;
    const session = this.#session.fork(`${clientName(this.#options)} ${this.#forked}`);
    const fork: PoolPolicy = new PoolPolicy(this.spec, session, this.#options, async () => {
      this.#forks.delete(fork);
    });
    this.#forks.add(fork);
    return fork;
  }

  /** Gives its place up; the policy that others were forked from ends those and the connection too. Idempotent. */
  async close(): Promise<void> {
    await Promise.all([...this.#forks].map((fork) => fork.close()));
    this.#session.close();
    await this.#closeLink();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #show(observation: Observation): Promise<void> {
    try {
      const wire = await writeObservation(observation, this.#options.jpegQuality);
      this.#session.tell(wireMap({ kind: 'observe', observation: wire }));
    } catch {
      // What cannot be sent is no better when actions are asked for: there it is told.
    }
  }

  async #subtask(observation: Observation, options: SubtaskOptions): Promise<Subtask> {
    const { maxDecodingSteps, temperature, seed, stopToken, signal } = options;
    const wire = await writeObservation(observation, this.#options.jpegQuality);
    const answer = await this.#session.request(
      (deadlineMs) =>
        wireMap({
          kind: 'subtask',
          observation: wire,
          deadline_ms: deadlineMs,
          max_decoding_steps: maxDecodingSteps,
          temperature,
          seed,
          stop_token: stopToken,
        }),
      signal,
    );
    if (answer.kind !== 'subtask') throw unexpected(answer.kind);
    return { text: answer.text, tokens: answer.tokens };
  }
}

/**
 * Connects to a pool and is pinned to the least loaded worker that has the model.
 * @throws MyelinError POOL_UNREACHABLE, POOL_REFUSED, POOL_NO_WORKER, INVALID_ARGUMENT
 * @example
 * await using policy = await openPoolPolicy({ url: 'nats://10.0.0.2', model: 'act_cube' });
 * const chunk = await policy.infer(observation);
 */
export async function openPoolPolicy(options: PoolPolicyOptions): Promise<PoolPolicy> {
  const { pool = 'default', model, hedgeMs, deadlineMs = 10_000, onEvent = () => undefined } = options;
  const client = clientName(options);
  const link = new PoolLink(pool, options.maxMessageBytes);
  await link.connect(options, client, {
    onLost: () => onEvent('the pool is lost; connecting again'),
    onBack: () => onEvent('the pool is back'),
    onClosed: () => undefined,
  });
  const session = new PoolSession(link, { pool, model, client, deadlineMs, hedgeMs, onEvent });
  try {
    const spec = await session.open();
    return new PoolPolicy(spec, session, options, () => link.close());
  } catch (thrown) {
    session.close();
    await link.close();
    throw thrown;
  }
}

const clientName = ({ client }: PoolPolicyOptions): string => client ?? hostname();

const unexpected = (kind: string) =>
  new MyelinError('MESSAGE_INVALID', { detail: `the worker answered with "${kind}"` });
