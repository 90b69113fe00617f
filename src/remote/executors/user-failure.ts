import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';

/** An exception of user code as its runner tells it. */
export const userFailureSchema = z.object({
  type: z.string(),
  message: z.string(),
  /** Frames of the project only; empty where the language has none. */
  traceback: z.string().default(''),
});
export type UserFailure = z.infer<typeof userFailureSchema>;

/** Travels as the `cause` of CALL_FAILED and PROJECT_LOAD_FAILED, so that an answer can carry it. */
export class UserCodeError extends Error {
  readonly failure: UserFailure;

  constructor(failure: UserFailure) {
    super(`${failure.type}: ${failure.message}`);
    this.name = 'UserCodeError';
    this.failure = failure;
  }
}

export const callFailed = (failure: UserFailure): MyelinError =>
  new MyelinError(
    'CALL_FAILED',
    { type: failure.type, detail: failure.message },
    { cause: new UserCodeError(failure) },
  );

export const loadFailed = (project: string, reason: string, failure?: UserFailure): MyelinError =>
  new MyelinError(
    'PROJECT_LOAD_FAILED',
    { project, reason },
    failure === undefined ? {} : { cause: new UserCodeError(failure) },
  );

/** What an answer's `data` holds for an error: type, message and traceback of user code, or nothing. */
export const failureData = (thrown: unknown): UserFailure | Record<string, never> =>
  thrown instanceof MyelinError && thrown.cause instanceof UserCodeError ? thrown.cause.failure : {};
