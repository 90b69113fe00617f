import { randomUUID } from 'node:crypto';
import { MyelinError } from '../../core/errors.ts';
import type { PolicySpec } from '../../policies/policy.ts';
import { writeMessage } from '../openpi/msgpack-writer.ts';
import { type WireMap, wireMap } from '../openpi/wire-value.ts';
import { LatencyWindow } from './load-report.ts';
import { type Opened, type PoolAnswer, readSpec } from './messages.ts';
import { type CallHost, PoolCall } from './pool-call.ts';
import type { Outcome, PoolLink } from './pool-link.ts';

export interface PoolSessionOptions {
  readonly pool: string;
  /** Model by its name in the pool. Default: the only one there is. */
  readonly model?: string | undefined;
  /** Who this is, for the workers' operators. */
  readonly client: string;
  readonly deadlineMs: number;
  /** Time after which a second worker is asked, ms; 0 never. Default: three times what nine of ten answers take. */
  readonly hedgeMs?: number | undefined;
  readonly onEvent: (text: string) => void;
}

/** A request but for what the session adds: id, session, model, client. */
export type Asking = (remainingMs: number) => WireMap;

interface Pin {
  readonly worker: string;
  readonly unwatch: () => void;
  readonly renewing: NodeJS.Timeout;
}

const ADMIT_MS = 500;
const OPEN_MS = 3000;
/** A worker that failed is not asked for again so soon, unless there is no other. */
const SUSPECT_MS = 5000;
/** Answers needed before it is known what is usual. */
const ENOUGH_ANSWERS = 20;
const LEAST_HEDGE_MS = 20;
/** Hedges at once, and hedges for each request: work that is done twice must stay rare when all workers are slow. */
const MOST_HEDGES = 3;
const HEDGE_SHARE = 0.1;
/** A stand-in that was faster so often in a row becomes the robot's own worker. */
const RACES_LOST = 3;

/**
 * One robot in the pool. It is admitted by any worker, pinned to the least loaded one by that worker's own subject,
 * keeps its lease there, and is pinned anew when that worker is lost, leaves, or is too slow again and again.
 */
export class PoolSession {
  readonly #link: PoolLink;
  readonly #options: PoolSessionOptions;
  readonly #id = randomUUID();
  readonly #calls = new Set<PoolCall>();
  readonly #suspects = new Map<string, number>();
  readonly #times = new LatencyWindow(200);
  readonly #stopBack: () => void;
  #model: string | undefined;
  #spec: PolicySpec | undefined;
  #looksBack = false;
  #pin: Pin | undefined;
  #pinning: Promise<string> | undefined;
  #moving = false;
  #hedges = MOST_HEDGES;
  #racesLost = 0;
  #repins = 0;
  #closed = false;

  constructor(link: PoolLink, options: PoolSessionOptions) {
    this.#link = link;
    this.#options = options;
    this.#model = options.model;
    this.#stopBack = link.whenBack(() => {
      for (const call of this.#calls) call.askAgain();
    });
  }

  /** The worker this robot is pinned to; undefined while there is none. */
  get worker(): string | undefined {
    return this.#pin?.worker;
  }

  /** Times it was pinned anew. */
  get repins(): number {
    return this.#repins;
  }

  get spec(): PolicySpec | undefined {
    return this.#spec;
  }

  /** Whether the policy wants to be shown every step's observation. */
  get looksBack(): boolean {
    return this.#looksBack;
  }

  /** Sends the pinned worker what it answers with nothing; without one it is lost. */
  tell(asked: WireMap): void {
    if (this.#pin === undefined || this.#closed || !this.#link.connected) return;
    this.#link.tell(this.#pin.worker, new Map([...asked, ...this.#owner()]));
  }

  /** Another robot's session for the same model. */
  fork(client: string): PoolSession {
    const other = new PoolSession(this.#link, { ...this.#options, model: this.#model, client });
    other.#spec = this.#spec;
    other.#looksBack = this.#looksBack;
    return other;
  }

  /** Finds a worker now. @throws MyelinError POOL_NO_WORKER, POOL_UNREACHABLE, INVALID_ARGUMENT */
  async open(): Promise<PolicySpec> {
    await this.#pinned();
    if (this.#spec === undefined) throw new MyelinError('SESSION_CLOSED', { client: this.#options.client });
    return this.#spec;
  }

  /**
   * Asks a worker and resolves with its answer.
   * @throws MyelinError DEADLINE_EXCEEDED, POOL_NO_WORKER, POOL_UNREACHABLE, REQUEST_CANCELLED, and what the worker
   *   answers
   */
  async request(asking: Asking, signal?: AbortSignal): Promise<PoolAnswer> {
    if (this.#closed) throw new MyelinError('SESSION_CLOSED', { client: this.#options.client });
    this.#hedges = Math.min(MOST_HEDGES, this.#hedges + HEDGE_SHARE);
    const { deadlineMs } = this.#options;
    const call = new PoolCall(this.#host(asking), { deadlineMs, hedgeMs: this.#hedgeMs(), signal });
    this.#calls.add(call);
    try {
      const { answer, byStandIn, totalMs } = await call.result;
      this.#times.add(totalMs);
      this.#racesLost = byStandIn ? this.#racesLost + 1 : 0;
      if (this.#racesLost >= RACES_LOST) this.#letGo('others are faster');
      return answer;
    } finally {
      this.#calls.delete(call);
    }
  }

  /** Gives the session up. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#stopBack();
    const worker = this.#unpin();
    if (worker !== undefined) this.#giveUp(worker);
  }

  #host(asking: Asking): CallHost {
    return {
      pin: () => this.#pinned(),
      standIn: (instead) => this.#standIn(instead),
      release: (worker, reason) => this.#release(worker, reason),
      send: (worker, id, remainingMs, hear) => this.#send(worker, id, asking(remainingMs), hear),
      cancel: (worker, id) => this.#link.tell(worker, wireMap({ kind: 'cancel', id, session: this.#id })),
      unreachable: () => (this.#link.connected ? undefined : this.#link.unreachable),
    };
  }

  #send(worker: string, id: string, asked: WireMap, hear: (outcome: Outcome) => void): () => void {
    const message = new Map([...asked, ['id', id], ...this.#owner()]);
    return this.#link.ask(this.#link.subjects.worker(worker), writeMessage(message), hear);
  }

  #owner(): WireMap {
    return wireMap({ session: this.#id, model: this.#model, client: this.#options.client.slice(0, 200) });
  }

  #hedgeMs(): number | undefined {
    const { hedgeMs } = this.#options;
    if (hedgeMs === 0 || this.#looksBack) return undefined;
    if (hedgeMs !== undefined) return hedgeMs;
    const usualMs = this.#times.count < ENOUGH_ANSWERS ? undefined : this.#times.percentile(0.9);
    return usualMs === undefined ? undefined : Math.max(LEAST_HEDGE_MS, 3 * usualMs);
  }

  async #standIn(instead: string): Promise<string | undefined> {
    if (this.#hedges < 1 || this.#looksBack) return undefined;
    this.#hedges -= 1;
    const [worker] = await this.#admit([instead]);
    return worker;
  }

  #pinned(): Promise<string> {
    if (this.#pin !== undefined) return Promise.resolve(this.#pin.worker);
    this.#pinning ??= this.#findWorker().finally(() => {
      this.#pinning = undefined;
    });
    return this.#pinning;
  }

  async #findWorker(exclude: readonly string[] = []): Promise<string> {
    if (this.#closed) throw new MyelinError('SESSION_CLOSED', { client: this.#options.client });
    let last: unknown;
    for (const worker of await this.#admit(exclude)) {
      try {
        return this.#take(await this.#openAt(worker));
      } catch (thrown) {
        last = thrown;
        this.#suspect(worker);
      }
    }
    throw last ?? this.#noWorker();
  }

  /** Workers to choose from, the least loaded first. @throws MyelinError POOL_NO_WORKER and what the pool answers */
  async #admit(exclude: readonly string[]): Promise<readonly string[]> {
    if (!this.#link.connected) throw this.#link.unreachable;
    const nowMs = performance.now();
    for (const [worker, untilMs] of this.#suspects) if (nowMs > untilMs) this.#suspects.delete(worker);
    const question = wireMap({
      kind: 'admit',
      model: this.#model,
      exclude: [...new Set([...exclude, ...this.#suspects.keys()])].slice(0, 100),
    });
    try {
      const answer = await this.#link.request(this.#link.subjects.admit, question, ADMIT_MS);
      if (answer?.kind !== 'admitted') throw this.#noWorker();
      this.#model = answer.model;
      return answer.candidates;
    } catch (thrown) {
      // Better one that failed a moment ago than none.
      this.#suspects.clear();
      throw thrown;
    }
  }

  async #openAt(worker: string): Promise<Opened> {
    const question = wireMap({ kind: 'open', ...Object.fromEntries(this.#owner()) });
    const answer = await this.#link.request(this.#link.subjects.worker(worker), question, OPEN_MS);
    if (answer?.kind !== 'opened' || answer.worker !== worker) throw this.#noWorker();
    const spec = readSpec(answer.spec);
    if (this.#spec !== undefined && essence(spec) !== essence(this.#spec))
      throw new MyelinError('SERVER_REFUSED', {
        url: `worker ${worker}`,
        reason: `it serves another policy under the same name (${spec.name}, before ${this.#spec.name})`,
        advice: 'Give different checkpoints different names in the pool.',
      });
    this.#spec ??= spec;
    return answer;
  }

  #take({ worker, lease_ms, report_ms, looks_back }: Opened): string {
    if (this.#closed) {
      this.#giveUp(worker);
      throw new MyelinError('SESSION_CLOSED', { client: this.#options.client });
    }
    const before = this.#unpin();
    this.#looksBack = looks_back;
    const unwatch = this.#link.watch(worker, report_ms, {
      onReport: ({ leaving }) => leaving && void this.#move(worker),
      onSilent: () => this.#release(worker, 'its heartbeats have stopped'),
    });
    const renewing = setInterval(() => this.#renew(worker), lease_ms / 3);
    this.#pin = { worker, unwatch, renewing };
    if (before !== undefined) this.#giveUp(before);
    return worker;
  }

  /** The worker is about to leave: another is found while it still answers. */
  async #move(worker: string): Promise<void> {
    if (this.#moving || this.#pin?.worker !== worker) return;
    this.#moving = true;
    try {
      const next = await this.#findWorker([worker]);
      this.#repins += 1;
      this.#options.onEvent(`worker ${worker} leaves the pool; now at worker ${next}`);
    } catch {
      // Asked again with its next report, as long as it is there.
    } finally {
      this.#moving = false;
    }
  }

  #renew(worker: string): void {
    if (!this.#link.connected) return;
    const stop = this.#link.ask(
      this.#link.subjects.worker(worker),
      writeMessage(wireMap({ kind: 'open', ...Object.fromEntries(this.#owner()) })),
      (outcome) => {
        stop();
        if (outcome === 'nobody') this.#release(worker, 'it is gone');
      },
    );
    setTimeout(stop, OPEN_MS).unref();
  }

  #release(worker: string, reason: string): void {
    this.#suspect(worker);
    if (this.#pin?.worker === worker) this.#letGo(reason);
    for (const call of [...this.#calls]) call.lost(worker);
  }

  #letGo(reason: string): void {
    const worker = this.#unpin();
    if (worker === undefined) return;
    this.#racesLost = 0;
    this.#repins += 1;
    this.#suspect(worker);
    this.#giveUp(worker);
    this.#options.onEvent(`worker ${worker} is given up: ${reason}`);
    this.#pinned().then(
      (next) => this.#options.onEvent(`now at worker ${next}`),
      () => undefined, // The next request tries again, and tells its caller why.
    );
  }

  #unpin(): string | undefined {
    const pin = this.#pin;
    this.#pin = undefined;
    pin?.unwatch();
    clearInterval(pin?.renewing);
    return pin?.worker;
  }

  #giveUp(worker: string): void {
    this.#link.tell(worker, wireMap({ kind: 'close', session: this.#id }));
  }

  #suspect(worker: string): void {
    this.#suspects.set(worker, performance.now() + SUSPECT_MS);
  }

  #noWorker(): MyelinError {
    return new MyelinError('POOL_NO_WORKER', {
      pool: this.#options.pool,
      model: this.#model === undefined ? 'anything' : JSON.stringify(this.#model),
      workers: 'none that answers',
      served: 'unknown',
    });
  }
}

/** What must be the same at every worker. */
const essence = ({ cameras, stateNames, actionNames, chunkRows, stepPeriodS }: PolicySpec): string =>
  JSON.stringify([cameras, stateNames, actionNames, chunkRows, stepPeriodS]);
