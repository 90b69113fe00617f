import { MyelinError } from '../../core/errors.ts';
import type { ProcessParams } from '../protocol/requests.ts';
import { NotBegun } from './executor.ts';

export type CallRequest = Pick<ProcessParams, 'object' | 'method' | 'args'>;

export interface CallLineOptions {
  /** Longest call, ms, from when it begins. */
  readonly limitMs: number;
  /** Gives a call to the project under an id of its own. How long its message is. */
  readonly write: (call: CallRequest) => { readonly id: number; readonly length: number };
  /** The call that runs took too long; its error has been told. The process is to be killed. */
  readonly onLate: (verdict: string) => void;
}

interface Waiting extends CallRequest {
  id: number;
  length: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: MyelinError) => void;
}

/** Calls written ahead of the one that runs, at most, and how long they may be together, characters. */
export const MOST_AHEAD = 31;
const MOST_AHEAD_LENGTH = 256 * 1024;

/**
 * The calls of one project process, which runs them in the order they were written and answers each before it begins
 * the next. Further ones are written while one runs, so that the project need not wait for us in between. The first
 * of the line is the one that runs; those behind it have not begun, so when the process ends another may have them.
 */
export class CallLine {
  readonly #options: CallLineOptions;
  readonly #line: Waiting[] = [];
  /** How many of them, from the first on, were given to the project. */
  #written = 0;
  #writtenLength = 0;
  #ahead = 0;
  #state: 'loading' | 'open' | 'halted' | 'ended' = 'loading';
  #limit: NodeJS.Timeout | undefined;

  constructor(options: CallLineOptions) {
    this.#options = options;
  }

  /** @throws MyelinError CALL_TIMEOUT, PROJECT_CRASHED, NotBegun, and what `settle` says */
  add({ object, method, args }: CallRequest): Promise<unknown> {
    if (this.#state === 'ended' || this.#state === 'halted') return Promise.reject(new NotBegun());
    return new Promise((resolve, reject) => {
      this.#line.push({ object, method, args, id: 0, length: 0, resolve, reject });
      this.#write();
    });
  }

  /** The project is loaded. `ahead`: whether it takes calls while one runs. */
  open(ahead: boolean): void {
    this.#ahead = ahead ? MOST_AHEAD : 0;
    this.#state = 'open';
    this.#write();
  }

  /**
   * What came of the call with this id, which is the one that runs. False when it is another one of the line: nothing
   * the project says can be trusted then. Ids that are not known are nobody's any more.
   */
  settle(id: number, outcome: { readonly value: unknown } | { readonly error: MyelinError }): boolean {
    const [first] = this.#line;
    if (first === undefined || this.#written === 0 || first.id !== id)
      return !this.#line.some((call, i) => i < this.#written && call.id === id);
    clearTimeout(this.#limit);
    this.#line.shift();
    this.#written -= 1;
    this.#writtenLength -= first.length;
    if ('error' in outcome) first.reject(outcome.error);
    else first.resolve(outcome.value);
    // One that is being ended is not timed any more.
    if (this.#state !== 'open') return true;
    if (this.#written > 0) this.#begin();
    this.#write();
    return true;
  }

  /** Writes no more: what was not written is not begun. What was may still be answered. */
  halt(): void {
    if (this.#state === 'ended') return;
    this.#state = 'halted';
    for (const call of this.#line.splice(this.#written)) call.reject(new NotBegun());
  }

  /** The process is gone, and everything it said was heard: only the first of those written can have begun. */
  end(reason: string): void {
    this.#state = 'ended';
    clearTimeout(this.#limit);
    const begun = this.#written > 0 ? this.#line.shift() : undefined;
    begun?.reject(new MyelinError('PROJECT_CRASHED', { reason }));
    for (const call of this.#line.splice(0)) call.reject(new NotBegun());
    this.#written = 0;
  }

  #write(): void {
    if (this.#state !== 'open') return;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      Object.assign(next, this.#options.write(next));
      this.#written += 1;
      this.#writtenLength += next.length;
      if (this.#written === 1) this.#begin();
    }
  }

  /** The call that may be written now. */
  #next(): Waiting | undefined {
    if (this.#written > 0 && (this.#written > this.#ahead || this.#writtenLength > MOST_AHEAD_LENGTH))
      return undefined;
    return this.#line[this.#written];
  }

  /** The first one runs from here on. */
  #begin(): void {
    const call = this.#line[0];
    if (call === undefined) return;
    this.#limit = setTimeout(() => {
      // Its result may have arrived while this process was kept from reading: the next one would be running.
      setImmediate(() => {
        if (this.#line[0] === call && this.#state !== 'ended') this.#late(call);
      });
    }, this.#options.limitMs);
  }

  #late(call: Waiting): void {
    const seconds = this.#options.limitMs / 1000;
    const name = nameOf(call);
    call.reject(new MyelinError('CALL_TIMEOUT', { call: name, seconds }));
    this.#state = 'halted';
    this.#options.onLate(`the call ${name} took longer than ${seconds} s`);
  }
}

/** As people call it: `robot.wave`, `greet`. */
export const nameOf = ({ object, method }: CallRequest): string =>
  object == null || object === '' ? method : `${object}.${method}`;
