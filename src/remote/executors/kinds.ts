import { MyelinError } from '../../core/errors.ts';
import { cppKind } from './cpp.ts';
import type { ExecutorKind, Language } from './executor.ts';
import { javascriptKind } from './javascript.ts';
import { pythonKind } from './python.ts';

/** Every language, in the order in which a project's files are asked about. */
export class ExecutorKinds {
  readonly all: readonly ExecutorKind[];

  /** @param cacheFolder where installers keep what they downloaded */
  constructor(cacheFolder: string) {
    this.all = [pythonKind(cacheFolder), javascriptKind(), cppKind()];
  }

  of(language: Language): ExecutorKind {
    const kind = this.all.find((candidate) => candidate.language === language);
    if (kind === undefined) throw new MyelinError('INTERNAL', { detail: `no executor for ${language}` });
    return kind;
  }
}
