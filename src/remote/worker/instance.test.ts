import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MyelinError } from '../../core/errors.ts';
import { CallLine } from '../executors/call-line.ts';
import type { Executor, ExecutorKind, ExecutorOptions } from '../executors/executor.ts';
import type { ProjectVersion } from '../projects/project-store.ts';
import { Instance } from './instance.ts';

const LIMIT_MS = 60_000;
const LONGEST_PAUSE_MS = 30_000;

/** A project process as it is seen from here: it runs what was written in order, and its answers take time to be read. */
class SimulatedProcess implements Executor {
  readonly pid = 1;
  readonly layers = [];
  alive = true;
  readonly #options: ExecutorOptions;
  readonly #line: CallLine;
  readonly #written: number[] = [];
  /** Flushed, not read yet. */
  readonly #answers: number[] = [];
  readonly #onBegun: (number: number) => void;
  #running: number | undefined;
  #closing = false;

  constructor(options: ExecutorOptions, onBegun: (number: number) => void) {
    this.#options = options;
    this.#onBegun = onBegun;
    this.#line = new CallLine({
      limitMs: options.maxExecutionMs,
      write: ({ args }) => {
        const id = Number((args as unknown[])[0]);
        this.#written.push(id);
        return { id, length: 10 };
      },
      onLate: (verdict) => this.die(verdict),
    });
  }

  async load() {
    this.#line.open(true);
    return { objects: {}, functions: ['go'] };
  }

  execute(call: Parameters<Executor['execute']>[0]) {
    return this.#line.add(call);
  }

  async stop() {
    return [];
  }

  async close() {
    this.#closing = true;
    this.#line.halt();
    this.die('closed');
  }

  /** Begins the next call, unless one runs. */
  begin(): void {
    if (!this.alive || this.#running !== undefined) return;
    this.#running = this.#written.shift();
    if (this.#running !== undefined) this.#onBegun(this.#running);
  }

  finish(): void {
    if (!this.alive || this.#running === undefined) return;
    this.#answers.push(this.#running);
    this.#running = undefined;
  }

  /** What it said is heard. */
  hear(): void {
    for (const id of this.#answers.splice(0)) expect(this.#line.settle(id, { value: id })).toBe(true);
  }

  die(reason: string): void {
    if (!this.alive) return;
    this.alive = false;
    this.hear();
    this.#line.end(reason);
    if (!this.#closing) this.#options.onExit(reason);
  }
}

/** An instance whose processes are simulated, the one that runs now, and how often each call was begun. */
function simulated() {
  const begun = new Map<number, number>();
  const order: number[] = [];
  const processes: SimulatedProcess[] = [];
  const kind: ExecutorKind = {
    language: 'python',
    recognises: () => true,
    create: (options) => {
      const made = new SimulatedProcess(options, (number) => {
        begun.set(number, (begun.get(number) ?? 0) + 1);
        order.push(number);
      });
      processes.push(made);
      return made;
    },
  };
  const version: ProjectVersion = {
    id: 'a'.repeat(64),
    project: 'simulated',
    language: 'python',
    createdUnixS: 0,
    bytes: 0,
    files: [],
    manifest: { stateless: false, network: false, arm: false, memoryMiB: 64 },
    folder: '/nonexistent',
    environment: '/nonexistent',
  };
  const instance = new Instance({
    version,
    kind,
    dataFolder: async () => '/nonexistent',
    executor: {
      sandbox: { layers: [] } as unknown as ExecutorOptions['sandbox'],
      maxExecutionMs: LIMIT_MS,
      loadTimeoutMs: 1000,
      onPush: () => undefined,
      onLog: () => undefined,
    },
    onStarted: () => undefined,
    onEnded: () => undefined,
  });
  const ends = () => processes.filter(({ alive }) => !alive).length;
  return { instance, begun, order, now: () => processes.at(-1), ends };
}

/** Answers of calls by their numbers: the value, or the code of the error. */
function asker(instance: Instance) {
  const answers = new Map<number, unknown>();
  let asked = 0;
  const ask = (): void => {
    const number = ++asked;
    const told = (answer: unknown) => {
      expect(answers.has(number), `call ${number} is answered twice`).toBe(false);
      answers.set(number, answer);
    };
    instance.call({ method: 'go', args: [number] }).then(told, (error: MyelinError) => told(error.code));
  };
  return { ask, answers, asked: () => asked };
}

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] }),
);
afterEach(() => void vi.useRealTimers());

const settled = () => vi.advanceTimersByTimeAsync(0);

describe('Instance', () => {
  it('runs each call once, in order, whatever becomes of its processes', async () => {
    const events = fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.constant('ask' as const) },
        { weight: 6, arbitrary: fc.constant('begin' as const) },
        { weight: 6, arbitrary: fc.constant('finish' as const) },
        { weight: 3, arbitrary: fc.constant('hear' as const) },
        { weight: 1, arbitrary: fc.constant('die' as const) },
        { weight: 1, arbitrary: fc.constant('hang' as const) },
        { weight: 2, arbitrary: fc.constant('restart' as const) },
      ),
      { maxLength: 120 },
    );
    await fc.assert(
      fc.asyncProperty(events, fc.boolean(), async (happening, closes) => {
        const { instance, begun, order, now, ends } = simulated();
        const { ask, answers, asked } = asker(instance);
        for (const event of happening) {
          if (event === 'ask') ask();
          else if (event === 'hang') await vi.advanceTimersByTimeAsync(LIMIT_MS + 1);
          else if (event === 'restart') await vi.advanceTimersByTimeAsync(LONGEST_PAUSE_MS);
          else if (event === 'die') now()?.die('killed');
          else now()?.[event]();
          await settled();
        }
        if (closes) await instance.close();
        for (let round = 0; round < 2 * asked() + 4 && answers.size < asked(); round++) {
          await vi.advanceTimersByTimeAsync(closes ? 0 : LONGEST_PAUSE_MS);
          for (const step of ['begin', 'finish', 'hear'] as const) now()?.[step]();
          await settled();
        }
        await instance.close();
        expect([...answers.keys()].sort((a, b) => a - b)).toEqual(
          Array.from({ length: asked() }, (_, i) => i + 1),
        );
        expect(order).toEqual([...order].sort((a, b) => a - b));
        let failed = 0;
        for (const [number, answer] of answers) {
          const times = begun.get(number) ?? 0;
          if (typeof answer === 'number') expect([answer, times]).toEqual([number, 1]);
          else if (answer === 'WORKER_UNAVAILABLE') expect(closes && times <= 1).toBe(true);
          else {
            failed += 1;
            expect(['CALL_TIMEOUT', 'PROJECT_CRASHED']).toContain(answer);
            expect(times).toBeLessThanOrEqual(1);
          }
        }
        // A process takes no more than the call it runs with it; a late one may have answered just before.
        expect(failed).toBeLessThanOrEqual(2 * ends());
      }),
      { numRuns: 150 },
    );
  });

  it('gives a process that is killed the blame for the call that ran alone', async () => {
    const { instance, begun, now } = simulated();
    const { ask, answers } = asker(instance);
    for (let i = 0; i < 10; i++) ask();
    await settled();
    now()?.begin();
    now()?.finish();
    now()?.begin();
    now()?.die('killed');
    await settled();
    expect([...answers]).toEqual([
      [1, 1],
      [2, 'PROJECT_CRASHED'],
    ]);
    await vi.advanceTimersByTimeAsync(1000);
    for (let i = 0; i < 8; i++) {
      now()?.begin();
      now()?.finish();
      now()?.hear();
    }
    await settled();
    expect([...answers.values()].slice(2)).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
    expect([...begun.values()].every((times) => times === 1)).toBe(true);
    await instance.close();
  });
});
