import { describe, expect, it } from 'vitest';
import { BatchingModel, type BatchingOptions, type ManyModel } from './batching.ts';
import type { PredictRequest } from './model.ts';
import type { InferOptions } from './policy.ts';
import { makeBatch } from './processors/batch.ts';

/** Answers each observation's own number; runs one at a time, when it is let. */
class SlowModel implements ManyModel {
  readonly pictures = [];
  readonly vectors = [];
  readonly chunkRows = 1;
  readonly actionLength = 1;
  readonly loadMs = {};
  readonly threads = 1;
  readonly runs: number[][] = [];
  readonly signals: (AbortSignal | undefined)[] = [];
  closed = false;
  #go: (() => void)[] = [];

  async predict(batch: PredictRequest['batch'], options: InferOptions): Promise<ArrayLike<number>> {
    const [answer] = await this.predictMany([{ batch, options }], options);
    return answer!;
  }

  async predictMany(requests: readonly PredictRequest[], { signal, onStage }: InferOptions) {
    const numbers = requests.map(({ batch }) => batch.vectors.get('number')![0]!);
    this.runs.push(numbers);
    this.signals.push(signal);
    await new Promise<void>((resolve) => this.#go.push(resolve));
    signal?.throwIfAborted();
    if (numbers.includes(13)) throw new Error('13 makes it ill');
    onStage?.('think', numbers.length);
    return numbers.map((number) => [number]);
  }

  async close() {
    this.closed = true;
  }

  /** Lets the run under way end, and waits until whatever follows has begun. */
  async step(): Promise<void> {
    await settled();
    this.#go.shift()?.();
    await settled();
  }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const numbered = (number: number) => makeBatch({ vectors: new Map([['number', Float64Array.of(number)]]) });

function set(options: BatchingOptions = {}) {
  const model = new SlowModel();
  const batching = new BatchingModel(model, { windowMs: 0, ...options });
  const [a, b, c] = [batching.fork(), batching.fork(), batching.fork()];
  const ask = (lane: typeof a, number: number, asked: InferOptions = {}) =>
    lane!.predict(numbered(number), asked);
  return { model, batching, a: a!, b: b!, c: c!, ask };
}

describe('a model shared by several clients', () => {
  it('answers what waits at the same time in one run, each client its own', async () => {
    const { model, a, b, c, ask } = set();
    const first = ask(a, 1);
    await settled();
    const rest = [ask(b, 2), ask(c, 3), ask(a, 4)];
    await model.step();
    await model.step();
    expect(await first).toEqual([1]);
    expect(await Promise.all(rest)).toEqual([[2], [3], [4]]);
    expect(model.runs).toEqual([[1], [2, 3, 4]]);
  });

  it('waits a moment for others when it was idle', async () => {
    let open = () => {};
    const { model, a, b, ask } = set({
      windowMs: 5,
      wait: (ms) => {
        expect(ms).toBe(5);
        return new Promise((resolve) => {
          open = resolve;
        });
      },
    });
    const both = [ask(a, 1)];
    await settled();
    expect(model.runs).toEqual([]);
    both.push(ask(b, 2));
    open();
    await model.step();
    await Promise.all(both);
    expect(model.runs).toEqual([[1, 2]]);
  });

  it('takes no more in one run than it may, one of each client before a second of any', async () => {
    const { model, a, b, c, ask } = set({ maxBatch: 3 });
    const all = [ask(a, 1)];
    await settled();
    for (const number of [11, 12, 14, 15]) all.push(ask(a, number));
    all.push(ask(b, 21), ask(b, 22), ask(c, 31));
    for (let i = 0; i < 4; i++) await model.step();
    await Promise.all(all);
    expect(model.runs.map((run) => [...run].sort((x, y) => x - y))).toEqual([
      [1],
      [11, 21, 31],
      [12, 14, 22],
      [15],
    ]);
  });

  it('begins each run with the client that has waited longest, whatever it asks for', async () => {
    const { model, a, b, c, ask } = set();
    const all = [ask(a, 1, { flowSteps: 5 })];
    await settled();
    all.push(ask(b, 2, { flowSteps: 9 }), ask(a, 3, { flowSteps: 5 }), ask(c, 4, { flowSteps: 5 }));
    for (let i = 0; i < 3; i++) await model.step();
    await Promise.all(all);
    expect(model.runs).toEqual([[1], [2], [3, 4]]);
  });

  it('runs observations that continue a chunk alone', async () => {
    const { model, a, b, ask } = set();
    const realTimeChunk = { previous: new Float64Array(1), rows: 1, delaySteps: 0, mode: 'guided' } as const;
    const all = [ask(a, 1)];
    await settled();
    all.push(ask(a, 2, { realTimeChunk }), ask(b, 3, { realTimeChunk }));
    for (let i = 0; i < 3; i++) await model.step();
    await Promise.all(all);
    expect(model.runs).toEqual([[1], [2], [3]]);
  });

  it('drops what is withdrawn while it waits, and runs on for the others when one leaves', async () => {
    const { model, a, b, c, ask } = set();
    const all = [ask(a, 1)];
    await settled();
    const [early, late] = [new AbortController(), new AbortController()];
    const dropped = ask(b, 2, { signal: early.signal });
    const left = ask(c, 3, { signal: late.signal });
    all.push(ask(a, 4));
    early.abort(new Error('too late'));
    await expect(dropped).rejects.toThrow('too late');
    await model.step();
    expect(model.runs.at(-1)).toEqual([3, 4]);
    late.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    expect(model.signals.at(-1)?.aborted).toBe(false);
    await model.step();
    expect(await Promise.all(all)).toEqual([[1], [4]]);
  });

  it('stops a run that nobody waits for any more', async () => {
    const { model, a, b, c, ask } = set();
    const first = ask(a, 1);
    await settled();
    const stop = new AbortController();
    const both = [ask(b, 2, { signal: stop.signal }), ask(c, 3, { signal: stop.signal })];
    await model.step();
    stop.abort(new Error('gone'));
    for (const each of both) await expect(each).rejects.toThrow('gone');
    expect(model.signals.at(-1)?.aborted).toBe(true);
    await model.step();
    expect(await first).toEqual([1]);
    expect(model.runs).toHaveLength(2);
    expect(await Promise.race([ask(a, 5), model.step().then(() => model.step())])).toEqual([5]);
  });

  it('refuses one that was withdrawn before it came', async () => {
    const { model, a, ask } = set();
    await expect(ask(a, 1, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
    expect(model.runs).toEqual([]);
  });

  it('lets one that the model cannot stomach fail alone', async () => {
    const { model, a, b, c, ask } = set();
    const all = [ask(a, 1)];
    await settled();
    const ill = ask(b, 13);
    all.push(ask(c, 3));
    ill.catch(() => undefined);
    for (let i = 0; i < 4; i++) await model.step();
    await expect(ill).rejects.toThrow('13 makes it ill');
    expect(await Promise.all(all)).toEqual([[1], [3]]);
    expect(model.runs).toEqual([[1], [13, 3], [13], [3]]);
  });

  it('tells each client the stages of its run, and closes once for all', async () => {
    const { model, batching, a, b, ask } = set();
    const told: string[] = [];
    const first = ask(a, 1);
    await settled();
    const both = [1, 2].map((number) =>
      ask(number === 1 ? a : b, number, { onStage: (stage, ms) => told.push(`${number} ${stage} ${ms}`) }),
    );
    await model.step();
    await model.step();
    await Promise.all([first, ...both]);
    expect(told.sort()).toEqual(['1 think 2', '2 think 2']);
    await a.close();
    expect(model.closed).toBe(false);
    await batching.close();
    expect(model.closed).toBe(true);
  });
});
