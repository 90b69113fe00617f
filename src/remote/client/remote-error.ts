import { ERRORS, type ErrorCode } from '../../core/errors.ts';
import type { Answer } from '../protocol/answer.ts';

/**
 * A request that was refused or failed. `code` is a row of the error table, on the robot or here: NOT_CONNECTED
 * (nothing was sent), CONNECTION_LOST (sent, the outcome is not known), ANSWER_TIMEOUT (sent, no answer in time).
 */
export class RemoteError extends Error {
  readonly code: string;
  readonly hint: string;
  /** Whether trying again can help. */
  readonly retryable: boolean;
  /** What came with it: the traceback of user code, for instance. */
  readonly data: unknown;

  constructor(
    what: {
      code: string;
      message: string;
      hint?: string | undefined;
      retryable?: boolean | undefined;
      data?: unknown;
    },
    options: { cause?: unknown } = {},
  ) {
    super(what.message, options);
    this.name = 'RemoteError';
    this.code = what.code;
    this.hint = what.hint ?? '';
    this.retryable = what.retryable ?? false;
    this.data = what.data;
  }

  /** From an answer whose status is `error`. */
  static of(answer: Answer): RemoteError {
    const { code = 'INTERNAL', message, hint, retryable, data } = answer;
    return new RemoteError({ code, message, hint, retryable, data });
  }
}

/** A failure on this side, from the error table. */
export function localError(
  code: Extract<ErrorCode, 'NOT_CONNECTED' | 'CONNECTION_LOST' | 'ANSWER_TIMEOUT' | 'GATEWAY_UNREACHABLE'>,
  parameters: Readonly<Record<string, string | number>>,
  cause?: unknown,
): RemoteError {
  const { message, hint, retryable } = ERRORS[code];
  const fill = (text: string) =>
    text.replace(/\{(\w+)\}/g, (whole, name: string) => String(parameters[name] ?? whole));
  return new RemoteError({ code, message: fill(message), hint: fill(hint), retryable }, { cause });
}
