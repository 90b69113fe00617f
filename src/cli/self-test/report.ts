import { styleText } from 'node:util';
import { toMyelinError } from '../../core/errors.ts';

/** One thing that must hold on this machine, in a sentence. `run` resolves with what was seen, or throws. */
export interface SelfCheck {
  readonly claim: string;
  readonly run: () => Promise<string>;
}

/** Fails a check with what was seen instead. */
export function expectThat(holds: boolean, seen: string): asserts holds {
  if (!holds) throw new Error(seen);
}

/** Runs the checks one after the other, prints a line each. Returns how many failed. */
export async function runChecks(title: string, checks: readonly SelfCheck[]): Promise<number> {
  process.stdout.write(`\n${styleText('bold', title)}\n`);
  let failed = 0;
  for (const { claim, run } of checks) {
    const startedMs = performance.now();
    try {
      const seen = await run();
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      process.stdout.write(
        `  ${styleText('green', 'ok  ')} ${claim}\n       ${styleText('dim', `${seen} (${seconds} s)`)}\n`,
      );
    } catch (thrown) {
      failed += 1;
      const error = toMyelinError(thrown);
      const seen =
        error.code === 'INTERNAL' && thrown instanceof Error
          ? thrown.message
          : `${error.message} (${error.hint})`;
      process.stdout.write(`  ${styleText('red', 'FAIL')} ${claim}\n       ${seen}\n`);
    }
  }
  return failed;
}
