import { MyelinError } from '../../core/errors.ts';
import { type OpenPolicyOptions, openPolicy } from '../../policies/open-policy.ts';
import type { Policy } from '../../policies/policy.ts';
import { allowedCheckpoint } from './checkpoint-names.ts';
import { LoadedPolicy, type PolicyCounts } from './loaded-policy.ts';
import { EngineSession } from './session.ts';

export interface EngineOptions {
  /** Policies that are open already, by the names clients may call them. The engine closes them. */
  readonly policies?: ReadonlyMap<string, Policy>;
  /** Path of the checkpoint for clients that name none, or the name of one of `policies`. Default: the first. */
  readonly checkpoint?: string;
  /** Path prefixes and Hub ids that clients may name besides `checkpoint`. Default: none. */
  readonly allow?: readonly string[];
  /** Whatever a client names, it gets `checkpoint`. Default false. */
  readonly ignoreNames?: boolean;
  readonly open?: OpenPolicyOptions;
  /** How checkpoints are opened. Default `openPolicy`. */
  readonly opener?: (path: string, options: OpenPolicyOptions) => Promise<Policy>;
  /** Time for a request, queueing counted in, ms. Default 10 000. */
  readonly deadlineMs?: number;
  /** Checkpoints kept loaded; those unused for longest make room, those in use never. Default 2. */
  readonly maxLoaded?: number;
  /** Monotonic time, ms. */
  readonly nowMs?: () => number;
}

export interface EngineStats {
  readonly policies: readonly {
    readonly name: string;
    readonly title: string;
    readonly sessions: number;
    readonly waiting: number;
    readonly loadMs: number;
    readonly counts: Readonly<PolicyCounts>;
  }[];
  readonly sessions: number;
}

const DEADLINE_MS = 10_000;
const MAX_LOADED = 2;

/** Policies loaded once, kept warm and shared by the clients of every protocol. */
export class Engine implements AsyncDisposable {
  readonly #options: EngineOptions;
  readonly #builtIn = new Map<string, LoadedPolicy>();
  /** Checkpoints by folder, least recently opened first. */
  readonly #loaded = new Map<string, Promise<LoadedPolicy>>();
  readonly #settled = new Map<string, LoadedPolicy>();
  readonly #sessions = new Set<EngineSession>();
  readonly #closing: Promise<unknown>[] = [];
  readonly #nowMs: () => number;
  #closed = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    for (const [name, policy] of options.policies ?? [])
      this.#builtIn.set(name, new LoadedPolicy(name, policy, 0));
  }

  /** What a client that names nothing gets. */
  get standard(): string | undefined {
    return this.#options.checkpoint ?? this.#builtIn.keys().next().value;
  }

  /**
   * The policy of that name, loaded if it is not: one of `policies`, the engine's checkpoint, or one that the
   * allow-list covers. Clients that ask at the same time wait for the same load.
   * @param name default: the engine's checkpoint
   * @throws MyelinError POLICY_NOT_ALLOWED, and what opening a checkpoint throws
   */
  async open(name: string | undefined = this.standard): Promise<LoadedPolicy> {
    if (this.#closed) throw new MyelinError('SESSION_CLOSED', { client: 'the engine' });
    const wanted = this.#options.ignoreNames ? this.standard : name;
    const builtIn = this.#builtIn.get(wanted ?? '');
    if (builtIn !== undefined) return builtIn;
    const path = this.#pathOf(wanted);
    if (path === undefined) {
      const served = [...this.#builtIn.keys(), this.#options.checkpoint, ...(this.#options.allow ?? [])];
      throw new MyelinError('POLICY_NOT_ALLOWED', {
        policy: (wanted ?? '').slice(0, 200),
        served: [...new Set(served.filter((each) => each !== undefined))].join(', ') || 'nothing',
      });
    }
    return this.#load(path, wanted ?? path);
  }

  /**
   * A session for one client. Close it when the client goes.
   * @param client who it is, for people
   */
  session(loaded: LoadedPolicy, client: string): EngineSession {
    const session: EngineSession = new EngineSession({
      loaded,
      client,
      deadlineMs: this.#options.deadlineMs ?? DEADLINE_MS,
      nowMs: this.#nowMs,
      onClose: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    return session;
  }

  stats(): EngineStats {
    const all = [...this.#builtIn.values(), ...this.#settled.values()];
    return {
      policies: all.map(({ name, policy, sessions, turns, loadMs, counts }) => ({
        name,
        title: policy.spec.name,
        sessions,
        waiting: turns.waiting,
        loadMs,
        counts: { ...counts },
      })),
      sessions: this.#sessions.size,
    };
  }

  /** Closes every session, waits for model calls under way, closes the policies. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const session of this.#sessions) session.close();
    const loaded = await Promise.allSettled(this.#loaded.values());
    this.#loaded.clear();
    this.#settled.clear();
    const open = loaded.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const all = [...this.#builtIn.values(), ...open];
    this.#builtIn.clear();
    await Promise.all([...all.map((each) => closeWhenIdle(each)), ...this.#closing]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #pathOf(name: string | undefined): string | undefined {
    if (name === undefined) return undefined;
    const { checkpoint, allow = [] } = this.#options;
    if (name === checkpoint) return name;
    return allowedCheckpoint(name, checkpoint === undefined ? allow : [checkpoint, ...allow]);
  }

  #load(path: string, name: string): Promise<LoadedPolicy> {
    const known = this.#loaded.get(path);
    this.#loaded.delete(path);
    const loading = known ?? this.#openFresh(path, name);
    this.#loaded.set(path, loading);
    return loading;
  }

  async #openFresh(path: string, name: string): Promise<LoadedPolicy> {
    this.#makeRoom();
    const { opener = openPolicy, open = {} } = this.#options;
    const startedMs = this.#nowMs();
    try {
      const policy = await opener(path, open);
      const loaded = new LoadedPolicy(name, policy, this.#nowMs() - startedMs);
      if (!this.#closed) this.#settled.set(path, loaded);
      return loaded;
    } catch (thrown) {
      this.#loaded.delete(path);
      throw thrown;
    }
  }

  /** Closes what nobody uses, longest unused first, until there is room for one more. */
  #makeRoom(): void {
    const { maxLoaded = MAX_LOADED } = this.#options;
    for (const path of [...this.#loaded.keys()]) {
      if (this.#loaded.size < maxLoaded) return;
      const loaded = this.#settled.get(path);
      if (loaded === undefined || loaded.sessions > 0) continue;
      this.#loaded.delete(path);
      this.#settled.delete(path);
      this.#closing.push(closeWhenIdle(loaded).catch(() => undefined));
    }
  }
}

async function closeWhenIdle({ turns, policy }: LoadedPolicy): Promise<void> {
  await turns.idle();
  await policy.close();
}
