import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import { MyelinError } from '../core/errors.ts';

const seconds = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && value < 1e6)) throw new InvalidArgumentError('must be a number of seconds above 0.');
  return value;
};

/** `myelin trace`: what a control process recorded. */
export function traceCommand(): Command {
  return new Command('trace')
    .description('Read what "myelin control --trace FILE" recorded, tick by tick')
    .argument('<file>', 'trace file, also one that is still being written')
    .option('--summary', 'states, events, limits, commanded motion, lateness (this is what it prints anyway)')
    .option('--csv <file>', 'write every tick as comma-separated values; - is the terminal')
    .option('--last <s>', 'only the last seconds', seconds)
    .addHelpText(
      'after',
      `
Examples:
  myelin control --dry-run --trace run.trace
  myelin trace run.trace
  myelin trace run.trace --last 5 --csv run.csv

The columns: timeNs, state, requests, errors, limitsHit ... one a tick, then commandedPosition0, commandedPosition1 ...
one a joint (rad, m at the gripper). The first line of the CSV names them all.`,
    )
    .action(async (file: string, options: { csv?: string; last?: number; summary?: boolean }) => {
      const { Trace } = await import('../control/trace-reader.ts');
      const whole = Trace.open(file);
      const trace = options.last === undefined ? whole : whole.last(options.last);
      if (options.csv !== undefined) await writeCsv(trace.csv(), options.csv);
      if (options.csv !== undefined && options.summary !== true) return;
      const [{ summarise }, { traceReport }] = await Promise.all([
        import('../control/trace-summary.ts'),
        import('../control/trace-report.ts'),
      ]);
      process.stdout.write(traceReport(trace.description, summarise(trace)));
    });
}

async function writeCsv(lines: Iterable<string>, file: string): Promise<void> {
  const out = file === '-' ? process.stdout : createWriteStream(file);
  const failed = new Promise<never>((_, reject) => {
    out.once('error', (cause: NodeJS.ErrnoException) => {
      const parameters = { file, bytes: 0, reason: cause.code ?? 'unknown', advice: 'Choose another place.' };
      reject(new MyelinError('FILE_UNWRITABLE', parameters, { cause }));
    });
  });
  const written = (async () => {
    for (const line of lines) if (!out.write(line)) await once(out, 'drain');
    if (out !== process.stdout) await new Promise<void>((done) => out.end(() => done()));
  })();
  await Promise.race([written, failed]);
}
