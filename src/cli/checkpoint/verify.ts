import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { inspectCheckpoint } from '../../policies/checkpoint.ts';
import { REFERENCE } from '../../policies/verify/reference.ts';
import { type VerifyReport, verifyCheckpoint } from '../../policies/verify/verify-checkpoint.ts';
import { checkpointPath, say } from './local.ts';

export interface VerifyCommandOptions {
  readonly reference?: string;
  readonly tolerance: number;
  readonly json: boolean;
  readonly device?: string;
}

/** `myelin checkpoint verify`. @returns the exit code: 1 when a difference is larger than allowed */
export async function verify(pathOrReference: string, options: VerifyCommandOptions): Promise<number> {
  const path = await checkpointPath(pathOrReference);
  const { folder, missing, misshapen } = await inspectCheckpoint(path);
  const beside = join(folder, REFERENCE);
  const reference = options.reference ?? (existsSync(beside) ? beside : undefined);
  if (missing.length + misshapen.length > 0)
    say(
      `${missing.length} tensors missing, ${misshapen.length} misshapen: myelin checkpoint inspect ${path}`,
    );
  const report = await verifyCheckpoint(folder, {
    reference,
    onNote: say,
    ...(options.device === undefined ? {} : { device: options.device }),
  });
  const far = report.compared.filter(({ worst }) => !(worst <= options.tolerance));
  const result = { ...report, tolerance: options.tolerance, verified: far.length === 0 };
  process.stdout.write(
    `${options.json ? JSON.stringify(result, undefined, 2) : describe(report, options.tolerance)}\n`,
  );
  return far.length === 0 ? 0 : 1;
}

function describe({ loadMs, inferMs, rows, actionLength, range, compared }: VerifyReport, tolerance: number) {
  const [least, most] = range.map((value) => Number(value.toPrecision(4)));
  const ran = `loads in ${loadMs.toFixed(0)} ms; one run of ${inferMs.toFixed(0)} ms gives ${rows} x ${actionLength} finite actions from ${least} to ${most}`;
  if (compared.length === 0) return `${ran}\nno reference: give one with --reference`;
  return [
    ran,
    ...compared.map(({ what, worst }) => {
      const verdict = worst <= tolerance ? 'agrees' : `differs by more than ${tolerance}`;
      return `${what}: ${verdict} (largest difference ${worst.toExponential(1)})`;
    }),
  ].join('\n');
}
