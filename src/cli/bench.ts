import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, type as osType, release, totalmem } from 'node:os';
import { Command } from 'commander';
import { type BenchTable, toMarkdown } from '../core/bench-table.ts';
import { MyelinError } from '../core/errors.ts';

interface CommonOptions {
  readonly write?: string;
}

const machine = (): string => {
  const cpu = cpus();
  return `${cpu.length} x ${cpu[0]?.model ?? arch()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${osType()} ${release()}, Node ${process.versions.node}`;
};

/** Prints the tables, and replaces the sections of the same titles in the file when one is given. */
function publish(tables: readonly BenchTable[], file: string | undefined): void {
  for (const table of tables) process.stdout.write(`${toMarkdown(table)}\n`);
  if (file === undefined) return;
  const intro =
    '# Benchmarks\n\nEvery table names the command that made it. Times on shared virtual machines are noisy; read ratios first.\n\n';
  let text = existsSync(file) ? readFileSync(file, 'utf8') : intro;
  const day = new Date().toISOString().slice(0, 10);
  for (const table of tables) {
    const section = toMarkdown({ ...table, notes: [...table.notes, `Measured ${day} on ${machine()}.`] });
    const start = text.indexOf(`## ${table.title}\n`);
    const next = start < 0 ? -1 : text.indexOf('\n## ', start + 1);
    text =
      start < 0
        ? `${text.trimEnd()}\n\n${section}`
        : `${text.slice(0, start)}${section}${next < 0 ? '' : text.slice(next)}`;
  }
  writeFileSync(file, `${text.trimEnd()}\n`);
}

const list = (text: string): number[] =>
  text.split(',').map((part) => {
    const value = Number(part);
    if (!Number.isInteger(value) || value < 1) {
      throw new MyelinError('INVALID_ARGUMENT', {
        name: '--flow-steps',
        value: text,
        allowed: 'whole numbers, for example 5,10,15,20',
      });
    }
    return value;
  });

/** `myelin bench`: a checkpoint's latency by default, and the parts of the runtime by name. */
export function benchCommand(): Command {
  const bench = new Command('bench')
    .description('Measure: a checkpoint (-c), the control loop, the segment, the world, the sorting policy')
    .option('-c, --checkpoint <path>', 'checkpoint to measure')
    .option('--flow-steps <list>', 'numbers of denoising steps to try', '5,10,15,20')
    .option('--components', 'show every stage: capture, preprocess, each model stage, post-process', false)
    .option('--inference-freq <hz>', 'rate to recommend a step count for', '30')
    .option('--repeats <number>', 'inferences per row', '20')
    .option('--write <file>', 'also keep the tables in this Markdown file')
    .addHelpText(
      'after',
      `
Examples:
  myelin bench -c ./checkpoint --flow-steps 5,10,15,20 --components
  myelin bench control --seconds 60
  myelin bench sort --scenes 50`,
    )
    .action(
      async (
        options: CommonOptions & {
          checkpoint?: string;
          flowSteps: string;
          components: boolean;
          inferenceFreq: string;
          repeats: string;
        },
      ) => {
        if (options.checkpoint === undefined) bench.help({ error: true });
        const { benchPolicy } = await import('./bench/policy.ts');
        const tables = await benchPolicy({
          checkpoint: options.checkpoint,
          flowSteps: list(options.flowSteps),
          components: options.components,
          frequencyHz: Number(options.inferenceFreq),
          repeats: Number(options.repeats),
        });
        publish(tables, options.write);
      },
    );
  return bench;
}
