import { styleText } from 'node:util';
import type { Finding } from './check.ts';
import { type CheckReport, worst } from './run-checks.ts';

const SIGN = { ok: 'ok     ', warning: 'warning', problem: 'PROBLEM' } as const;
const COLOUR = { ok: 'green', warning: 'yellow', problem: 'red' } as const;
const TITLE_WIDTH = 16;

/** A check's findings, a line each, with a hint below those that need one. */
export const reportLines = ({ title, findings }: CheckReport): string[] =>
  findings.flatMap((finding, i) => findingLines(i === 0 ? title : '', finding));

function findingLines(title: string, { verdict, seen, hint }: Finding): string[] {
  const indent = ' '.repeat(SIGN.ok.length + TITLE_WIDTH + 3);
  return [
    `${styleText(COLOUR[verdict], SIGN[verdict])}  ${title.padEnd(TITLE_WIDTH)} ${plain(seen)}`,
    ...(hint === undefined ? [] : [`${indent}${styleText('dim', `-> ${plain(hint)}`)}`]),
  ];
}

/** A device or server may call itself anything; a terminal must not obey it. */
const plain = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** The last line. */
export function verdictLine(reports: readonly CheckReport[]): string {
  const all = reports.flatMap(({ findings }) => findings);
  const count = (verdict: Finding['verdict']) => all.filter((each) => each.verdict === verdict).length;
  const bad = [counted(count('problem'), 'problem'), counted(count('warning'), 'warning')].join(', ');
  return `${count('ok')} in order, ${bad}`;
}

/** The same for programs. */
export function reportJson(reports: readonly CheckReport[]): string {
  const all = reports.flatMap(({ findings }) => findings);
  const checks = reports.map((report) => ({
    ...report,
    verdict: worst(report.findings),
    tookMs: Math.round(report.tookMs),
  }));
  return JSON.stringify({ verdict: worst(all), checks }, undefined, 2);
}
