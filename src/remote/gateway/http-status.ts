import type { ErrorCode } from '../../core/errors.ts';
import type { Answer } from '../protocol/answer.ts';

const STATUS: Partial<Record<ErrorCode, number>> = {
  TOKEN_MISSING: 401,
  TOKEN_REFUSED: 401,
  RIGHT_MISSING: 403,
  ORIGIN_REFUSED: 403,
  TOO_MANY_ATTEMPTS: 429,
  OPERATOR_BUSY: 409,
  PROJECT_IN_USE: 409,
  REQUEST_INVALID: 400,
  INVALID_ARGUMENT: 400,
  MESSAGE_TOO_LARGE: 413,
  ARCHIVE_REFUSED: 422,
  PROJECT_INVALID: 422,
  PROJECT_LOAD_FAILED: 422,
  CALL_FAILED: 422,
  PROJECT_UNKNOWN: 404,
  VERSION_UNKNOWN: 404,
  TOKEN_UNKNOWN: 404,
  CALL_UNKNOWN: 404,
  CALL_TIMEOUT: 504,
  QUEUE_FULL: 503,
  SERVER_FULL: 503,
  WORKER_UNAVAILABLE: 503,
  ARM_ABSENT: 503,
  SANDBOX_UNAVAILABLE: 503,
  PROJECT_CRASHED: 502,
};

/** The HTTP status that goes with an answer. */
export const httpStatus = ({ status, code }: Answer): number =>
  status === 'error' ? (STATUS[code as ErrorCode] ?? 500) : 200;
