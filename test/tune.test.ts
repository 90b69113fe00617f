import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { myelin, sharedMemoryWith } from './support/processes.ts';

/** `myelin tune` as a process: real chain, simulated time. */

vi.setConfig({ testTimeout: 600_000 });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'myelin-tune-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const FEW = [
  ...['--quick', '--limit', '6', '--actions-per-chunk', '10,50', '--chunk-size-threshold', '0.3'],
  ...['--aggregate-fn-name', 'latest_only,weighted_average'],
];

interface Results {
  readonly recommended: { readonly actionsPerChunk: number };
  readonly trials: readonly {
    readonly setting: {
      readonly actionsPerChunk: number;
      readonly aggregateName: string;
    };
    readonly emptyShare: number;
    readonly rmsJerk: number;
    readonly observationHz: number;
  }[];
}

const tune = async (name: string, ...args: string[]) => {
  const out = join(folder, name);
  const run = myelin(['tune', ...FEW, '--out', out, ...args]);
  expect([run.output(), await run.exited]).toEqual([expect.anything(), 0]);
  const text = readFileSync(join(out, 'results.json'), 'utf8');
  return { out, text, results: JSON.parse(text) as Results, pid: run.pid, output: run.output() };
};

describe('myelin tune', () => {
  it('sweeps on the simulated arm and writes a report whose plots are pictures', async () => {
    const { out, results, pid, output } = await tune('a');
    expect(output).toContain('recommended: ');
    const report = readFileSync(join(out, 'report.md'), 'utf8');
    expect(report).toContain('Recommended: `--actions-per-chunk');
    const plots = readdirSync(out).filter((name) => name.endsWith('.svg'));
    expect(plots.length).toBeGreaterThanOrEqual(5);
    for (const plot of plots) {
      expect(report).toContain(`](${plot})`);
      const { width, channels } = await sharp(join(out, plot))
        .png()
        .toBuffer({ resolveWithObject: true })
        .then((made) => made.info);
      expect([width > 400, channels >= 3]).toEqual([true, true]);
    }
    expect(sharedMemoryWith(`myelin_sort_${pid}`)).toEqual([]);

    const of = (actions: number) =>
      results.trials.find(
        ({ setting }) => setting.actionsPerChunk === actions && setting.aggregateName === 'weighted_average',
      );
    // Three actions last 100 ms, fifteen 500; an answer takes 180, more or less.
    expect(of(10)?.emptyShare).toBeGreaterThan(0.1);
    expect(of(50)?.emptyShare).toBe(0);
    expect(of(10)?.observationHz).toBeGreaterThan(of(50)?.observationHz ?? Number.NaN);
    expect(results.trials).toHaveLength(3);
    expect(results.recommended.actionsPerChunk).toBe(50);
  });

  it('gives the same report for the same seed, and another one for another network', async () => {
    const one = [
      '--actions-per-chunk',
      '20',
      '--aggregate-fn-name',
      'average',
      '--limit',
      '4',
      '--seed',
      '4',
    ];
    const [first, second] = [await tune('a', ...one), await tune('b', ...one)];
    expect(second.text).toBe(first.text);
    const worse = await tune('c', ...one, '--latency-ms', '700', '--loss', '0.5');
    const emptiest = (results: Results) => Math.max(...results.trials.map(({ emptyShare }) => emptyShare));
    expect(emptiest(worse.results)).toBeGreaterThan(emptiest(first.results));
  });

  it('refuses values that make no sense, and a folder it cannot write, before it works', async () => {
    for (const args of [
      ['--actions-per-chunk', '20,many'],
      ['--aggregate-fn-name', 'median'],
      ['--latency-ms', '-1'],
      ['--loss', '2'],
    ]) {
      const run = myelin(['tune', ...args, '--out', folder]);
      expect([args, await run.exited]).toEqual([args, 2]);
    }
    writeFileSync(join(folder, 'file'), '');
    const run = myelin(['tune', '--quick', '--out', join(folder, 'file')]);
    expect(await run.exited).toBe(1);
    expect(run.output()).toContain('cannot be written');
    expect(run.output()).not.toContain('trying');
  });
});
