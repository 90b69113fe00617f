/** How a thing was found: in order, of some concern, or in the way of work. */
export type Verdict = 'ok' | 'warning' | 'problem';

/** One thing that was seen. */
export interface Finding {
  readonly verdict: Verdict;
  /** One line: what was seen. */
  readonly seen: string;
  /** What to do about it. */
  readonly hint?: string;
  /** The same for programs: numbers with their units in their names. */
  readonly values?: Readonly<Record<string, unknown>>;
}

/** Something to look at. It changes nothing on the machine, and stops when `signal` says that time is up. */
export interface Check {
  /** As `--only` takes it. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  /** Time it may take, ms. Default 5000. */
  readonly deadlineMs?: number;
  look(signal: AbortSignal): Promise<readonly Finding[]>;
}

type Values = Finding['values'];

export const ok = (seen: string, values?: Values): Finding => ({
  verdict: 'ok',
  seen,
  ...(values === undefined ? {} : { values }),
});

export const warning = (seen: string, hint: string, values?: Values): Finding => ({
  verdict: 'warning',
  seen,
  hint,
  ...(values === undefined ? {} : { values }),
});

export const problem = (seen: string, hint: string, values?: Values): Finding => ({
  verdict: 'problem',
  seen,
  hint,
  ...(values === undefined ? {} : { values }),
});

/** What nobody asked for is in nobody's way. */
export const softened = (finding: Finding): Finding =>
  finding.verdict === 'problem' ? { ...finding, verdict: 'warning' } : finding;
