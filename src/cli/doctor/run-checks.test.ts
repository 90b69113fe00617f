import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { MyelinError } from '../../core/errors.ts';
import { type Check, ok, problem, softened, warning } from './check.ts';
import { reportJson, reportLines, verdictLine } from './report.ts';
import { runCheck, runChecks, worst } from './run-checks.ts';

const check = (look: Check['look'], deadlineMs?: number): Check => ({
  name: 'try',
  title: 'Try',
  look,
  ...(deadlineMs === undefined ? {} : { deadlineMs }),
});

describe('a check', () => {
  it('that never answers is a problem once its time is up, and is told to stop', async () => {
    let stopped = false;
    const stuck = check((signal) => {
      signal.addEventListener('abort', () => {
        stopped = true;
      });
      return new Promise(() => undefined);
    }, 20);
    const { findings } = await runCheck(stuck);
    expect(findings).toMatchObject([{ verdict: 'problem', seen: 'no answer within 0.02 s' }]);
    expect(stopped).toBe(true);
  });

  it('that throws is a problem with the error and its hint, whether it throws now or later', async () => {
    const error = new MyelinError('FILE_NOT_FOUND', { file: 'x' });
    const now = check(() => {
      throw error;
    });
    const later = check(async () => {
      await sleep(1);
      throw error;
    });
    for (const each of [now, later]) {
      const { findings } = await runCheck(each);
      expect(findings).toMatchObject([{ verdict: 'problem', seen: 'x does not exist', hint: error.hint }]);
    }
  });

  it('does not keep the ones after it from being made, one at a time', async () => {
    let running = 0;
    const one = check(async () => {
      expect(running).toBe(0);
      running += 1;
      await sleep(2);
      running -= 1;
      return [ok('fine')];
    });
    const reports = await runChecks([one, check(() => Promise.reject(new Error('no'))), one]);
    expect(reports.map(({ findings }) => worst(findings))).toEqual(['ok', 'problem', 'ok']);
  });
});

describe('the report', () => {
  const findings = [ok('all well', { n: 1 }), warning('old', 'renew it'), problem('gone', 'bring it back')];
  const report = { name: 'try', title: 'Try', findings, tookMs: 1.4 };

  it('has a line for each finding, a hint where one is needed, and a sum', () => {
    const text = reportLines(report).join('\n');
    expect(text).toMatch(
      /ok\b.*Try +all well\n.*warning.*old\n.*-> renew it.*\n.*PROBLEM.*gone\n.*-> bring it back/,
    );
    expect(verdictLine([report])).toBe('1 in order, 1 problem, 1 warning');
  });

  it('is JSON for programs, with the worst verdict first', () => {
    expect(JSON.parse(reportJson([report]))).toMatchObject({
      verdict: 'problem',
      checks: [{ name: 'try', verdict: 'problem', tookMs: 1, findings: [{ values: { n: 1 } }, {}, {}] }],
    });
  });

  it('obeys no control characters in what others call themselves', () => {
    const [line = ''] = reportLines({ ...report, findings: [ok('a\u001b[2Jb\u0007c')] });
    expect(line).toContain('a [2Jb c');
  });

  it('calls a problem nobody asked about a warning', () => {
    expect(softened(problem('gone', 'x')).verdict).toBe('warning');
    expect(softened(ok('fine')).verdict).toBe('ok');
  });
});
