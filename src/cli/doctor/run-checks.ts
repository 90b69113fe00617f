import { toMyelinError } from '../../core/errors.ts';
import { type Check, type Finding, problem, type Verdict } from './check.ts';

/** What a check found. */
export interface CheckReport {
  readonly name: string;
  readonly title: string;
  readonly findings: readonly Finding[];
  readonly tookMs: number;
}

const DEADLINE_MS = 5000;

/** Makes the checks one after the other, so that none disturbs the times another one takes. */
export async function runChecks(
  checks: readonly Check[],
  onReport: (report: CheckReport) => void = () => undefined,
): Promise<CheckReport[]> {
  const reports: CheckReport[] = [];
  for (const check of checks) {
    const report = await runCheck(check);
    onReport(report);
    reports.push(report);
  }
  return reports;
}

/** Makes one check. It neither throws nor takes longer than its deadline, whatever the check does. */
export async function runCheck({ name, title, deadlineMs = DEADLINE_MS, look }: Check): Promise<CheckReport> {
  const startedMs = performance.now();
  const abort = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly Finding[]>((resolve) => {
    timer = setTimeout(
      () =>
        resolve([
          problem(`no answer within ${deadlineMs / 1000} s`, 'Something it looked at hangs; try it by hand.'),
        ]),
      deadlineMs,
    );
  });
  const looking = (async () => look(abort.signal))().catch((thrown: unknown) => [failure(thrown)]);
  const findings = await Promise.race([late, looking]);
  clearTimeout(timer);
  abort.abort();
  return { name, title, findings, tookMs: performance.now() - startedMs };
}

function failure(thrown: unknown): Finding {
  const { message, hint } = toMyelinError(thrown);
  return problem(message, hint);
}

const RANK: Readonly<Record<Verdict, number>> = { ok: 0, warning: 1, problem: 2 };

/** The worst of all findings; ok for none. */
export const worst = (findings: readonly Finding[]): Verdict =>
  findings.reduce<Verdict>((most, { verdict }) => (RANK[verdict] > RANK[most] ? verdict : most), 'ok');
