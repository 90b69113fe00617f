import { Argument, Command } from 'commander';
import type { SelfCheck } from './self-test/report.ts';

const SUITES = {
  shm: {
    title: 'Shared memory',
    load: async (): Promise<readonly SelfCheck[]> => (await import('./self-test/shm.ts')).shmChecks,
  },
  mp: {
    title: 'Processes',
    load: async (): Promise<readonly SelfCheck[]> => (await import('./self-test/mp.ts')).mpChecks,
  },
  safety: {
    title: 'Safety',
    load: async (): Promise<readonly SelfCheck[]> => (await import('./self-test/safety.ts')).safetyChecks,
  },
} as const;
type Suite = keyof typeof SUITES;

/** `myelin test`: self-tests for the machine it will run on, against real segments and processes. */
export function testCommand(): Command {
  return new Command('test')
    .description('Check on this machine that shared memory, processes and safety behave as promised')
    .addArgument(
      new Argument('[suite]', 'which checks to run').choices([...Object.keys(SUITES), 'all']).default('all'),
    )
    .addHelpText(
      'after',
      `
  shm      the shared memory exchange: whole reads, atomic requests, stale segments
  mp       world, control process and commander as processes: state, motion, crash, restart
  safety   timeouts, refused chunks, limits, stop, kill -9 and freeze of the control process

No hardware is touched: a simulated arm is started for it. Exit code 1 when a check fails.

Example:
  myelin test safety`,
    )
    .action(async (suite: Suite | 'all') => {
      const { runChecks } = await import('./self-test/report.ts');
      let failed = 0;
      let total = 0;
      for (const name of suite === 'all' ? (Object.keys(SUITES) as Suite[]) : [suite]) {
        const checks = await SUITES[name].load();
        total += checks.length;
        failed += await runChecks(SUITES[name].title, checks);
      }
      process.stdout.write(`\n${total - failed} passed, ${failed} failed\n`);
      if (failed > 0) process.exitCode = 1;
    });
}
