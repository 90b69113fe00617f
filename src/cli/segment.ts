import { Command } from 'commander';
import { MyelinError } from '../core/errors.ts';
import { DEFAULT_ARM_SEGMENT } from '../segment/arm-layout.ts';

/** `myelin segment`: look at the shared memory through which the processes meet, and clean it up. */
export function segmentCommand(): Command {
  const segment = new Command('segment')
    .description('Look into the shared memory of arms, cameras and worlds')
    .addHelpText(
      'after',
      `
Examples:
  myelin segment list                 all of Myelin's segments, and whether their owners live
  myelin segment dump                 every field of the default arm's segment, in words
  myelin segment dump myelin_cam_wrist
  myelin segment watch                how the arm is doing, five times a second
  myelin segment unlink arx5_control  remove what a killed process left behind`,
    );

  segment
    .command('list')
    .description('List the segments on this machine')
    .action(async () => {
      const { listSegments } = await import('../segment/owned-segment.ts');
      const rows = listSegments().map(({ name, kind, version, bytes, pid, alive }) => [
        name,
        kind.what.replace(/^an? /, ''),
        String(version),
        String(bytes),
        alive ? `process ${pid}` : `gone (was process ${pid})`,
      ]);
      const table = [['NAME', 'KIND', 'LAYOUT', 'BYTES', 'OWNER'], ...rows];
      const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
      const text = table.map((row) =>
        row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd(),
      );
      process.stdout.write(rows.length === 0 ? 'There are no segments.\n' : `${text.join('\n')}\n`);
    });

  segment
    .command('dump')
    .description('Print every field of a segment, with its meaning')
    .argument('[name]', 'segment', DEFAULT_ARM_SEGMENT)
    .action(async (name: string) => {
      const { dumpSegment } = await import('./segment-dump.ts');
      const { monotonicNs, unixS } = await import('../platform/clock.ts');
      process.stdout.write(
        `${dumpSegment(await find(name), { monotonicNs: monotonicNs(), unixS: unixS() })}\n`,
      );
    });

  segment
    .command('watch')
    .description("Show an arm's state, five times a second, until Ctrl-C")
    .argument('[name]', 'arm segment', DEFAULT_ARM_SEGMENT)
    .option('--count <number>', 'stop after this many pictures; 0 = never', '0')
    .action(async (name: string, { count }: { count: string }) => watch(name, Number(count)));

  segment
    .command('unlink')
    .description('Remove a segment whose owner is gone')
    .argument('<name>', 'segment')
    .option('--force', 'remove it even though its owner lives (that one goes on without being seen)', false)
    .action(async (name: string, { force }: { force: boolean }) => {
      const { SharedMemory } = await import('../platform/shared-memory.ts');
      const summary = await find(name);
      if (summary.alive && !force) throw new MyelinError('SEGMENT_IN_USE', { name, pid: summary.pid });
      SharedMemory.unlink(name);
      process.stdout.write(`removed ${name}\n`);
    });

  return segment;
}

/** @throws MyelinError SEGMENT_MISSING, SEGMENT_FOREIGN */
async function find(name: string) {
  const { inspectSegment } = await import('../segment/owned-segment.ts');
  const { SharedMemory } = await import('../platform/shared-memory.ts');
  const summary = inspectSegment(name);
  if (summary !== undefined) return summary;
  SharedMemory.open(name, { readOnly: true }).close();
  throw new MyelinError('SEGMENT_FOREIGN', { name, expected: "one of Myelin's segments" });
}

const PICTURE_MS = 200;

/** Draws until the count is reached or the user has enough; follows a control process that is started anew. */
async function watch(name: string, count: number): Promise<void> {
  const { ArmSegment, createArmSnapshot } = await import('../segment/arm-segment.ts');
  const { monotonicNs } = await import('../platform/clock.ts');
  const { watchLines } = await import('./segment-watch.ts');
  const terminal = process.stdout.isTTY === true;
  const snapshot = createArmSnapshot();
  let segment = ArmSegment.open(name, { readOnly: true });
  let last = { tick: Number.NaN, timeNs: 0 };
  let height = 0;
  try {
    for (let drawn = 0; count === 0 || drawn < count; drawn++) {
      if (drawn > 0) await new Promise((done) => setTimeout(done, PICTURE_MS));
      if (!segment.current) {
        try {
          const newer = ArmSegment.open(name, { readOnly: true });
          segment.close();
          segment = newer;
        } catch (error) {
          if (!(error instanceof MyelinError && error.code === 'SEGMENT_MISSING')) throw error;
        }
      }
      const nowNs = monotonicNs();
      const whole = segment.readState(snapshot);
      const rateHz = ((snapshot.tick - last.tick) / (nowNs - last.timeNs)) * 1e9;
      last = { tick: snapshot.tick, timeNs: nowNs };
      const lines = whole
        ? watchLines(segment, snapshot, rateHz, nowNs)
        : [`${name}: its control process stopped in the middle of a write`];
      // On a terminal the picture before is drawn over; in a file or pipe each stands for itself.
      const over = terminal && height > 0 ? `\x1b[${height}A` : '';
      process.stdout.write(`${over}${lines.map((line) => `${line}${terminal ? '\x1b[K' : ''}\n`).join('')}`);
      height = lines.length;
    }
  } finally {
    segment.close();
  }
}
