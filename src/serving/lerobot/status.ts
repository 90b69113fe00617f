import { status as GrpcStatus, Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { type ErrorCode, MyelinError, toMyelinError } from '../../core/errors.ts';

/**
 * The gRPC status of each failure a client can meet. UNAVAILABLE and DEADLINE_EXCEEDED are kept for what trying the
 * same call again can mend, because stock clients do that by themselves.
 */
const STATUS: Partial<Readonly<Record<ErrorCode, GrpcStatus>>> = {
  TOKEN_REFUSED: GrpcStatus.UNAUTHENTICATED,
  POLICY_NOT_ALLOWED: GrpcStatus.PERMISSION_DENIED,
  FILE_NOT_FOUND: GrpcStatus.NOT_FOUND,
  CHECKPOINT_INVALID: GrpcStatus.FAILED_PRECONDITION,
  CHECKPOINT_UNSUPPORTED: GrpcStatus.FAILED_PRECONDITION,
  CONFIG_INVALID: GrpcStatus.FAILED_PRECONDITION,
  TENSOR_INVALID: GrpcStatus.FAILED_PRECONDITION,
  TOKENIZER_MISSING: GrpcStatus.FAILED_PRECONDITION,
  PICKLE_FORBIDDEN: GrpcStatus.INVALID_ARGUMENT,
  PICKLE_INVALID: GrpcStatus.INVALID_ARGUMENT,
  MESSAGE_INVALID: GrpcStatus.INVALID_ARGUMENT,
  INVALID_ARGUMENT: GrpcStatus.INVALID_ARGUMENT,
  OBSERVATION_MISMATCH: GrpcStatus.INVALID_ARGUMENT,
  SUBTASKS_UNSUPPORTED: GrpcStatus.UNIMPLEMENTED,
  SESSION_CLOSED: GrpcStatus.FAILED_PRECONDITION,
  SERVER_FULL: GrpcStatus.RESOURCE_EXHAUSTED,
  DEADLINE_EXCEEDED: GrpcStatus.ABORTED,
  REQUEST_REPLACED: GrpcStatus.ABORTED,
  REQUEST_CANCELLED: GrpcStatus.CANCELLED,
};

/** Longer texts are cut: they travel in a header. */
const MAX_DETAILS = 1000;
const CODE_KEY = 'myelin-code';

/** What a client is told: what happened, and what to do about it. Never a stack, never a path it did not name. */
export function toStatus(thrown: unknown): Partial<StatusObject> {
  const error = toMyelinError(thrown);
  const metadata = new Metadata();
  metadata.set(CODE_KEY, error.code);
  return {
    code: STATUS[error.code] ?? GrpcStatus.INTERNAL,
    details: `${error.message}. ${error.hint}`.slice(0, MAX_DETAILS),
    metadata,
  };
}

/** The library's words for an answer that is none: HTTP/2 of the connection, or of its other end, is broken. */
const NO_STATUS = /^(Received (HTTP status code|RST_STREAM)|No status information received)/;

/** What a failed call means at the client's end. */
export function fromStatus(thrown: unknown, url: string): MyelinError {
  if (thrown instanceof MyelinError) return thrown;
  const { code, details, message } = thrown as Partial<ServiceError>;
  const reason = plainReason(details || message || String(thrown)).slice(0, MAX_DETAILS);
  const unreachable =
    code === GrpcStatus.UNAVAILABLE || code === GrpcStatus.DEADLINE_EXCEEDED || NO_STATUS.test(reason);
  if (unreachable) return new MyelinError('SERVER_UNREACHABLE', { url, reason }, { cause: thrown });
  if (code === GrpcStatus.CANCELLED)
    return new MyelinError('REQUEST_CANCELLED', { reason }, { cause: thrown });
  const advice = 'Its own log says more.';
  return new MyelinError('SERVER_REFUSED', { url, reason, advice }, { cause: thrown });
}

/** What a call ends with when nothing comes back, and never for what a server of ours found wrong with it. */
const NOTHING_CAME: readonly GrpcStatus[] = [
  GrpcStatus.CANCELLED,
  GrpcStatus.DEADLINE_EXCEEDED,
  GrpcStatus.UNAVAILABLE,
];

/** Whether a call that failed shows that the way to the server is broken, not that the server made it fail. */
export function showsBroken(thrown: unknown): boolean {
  const { code, details = '', metadata } = thrown as Partial<ServiceError>;
  if ((metadata?.get(CODE_KEY).length ?? 0) > 0 || /refused by server/.test(details)) return false;
  // No status there is: what the server sent arrived as something else.
  if (code === undefined || GrpcStatus[code] === undefined) return true;
  return NOTHING_CAME.includes(code) || NO_STATUS.test(details);
}

/** A call that ended because another one showed that the connection is broken. */
export const brokenConnection = (cause: unknown, url: string): MyelinError =>
  new MyelinError('SERVER_UNREACHABLE', { url, reason: 'the connection broke' }, { cause });

/** The library's words around a failed connection say nothing more, and differ each time: what is new is told. */
function plainReason(text: string): string {
  const plain = text
    .replace(/^No connection established\. Last error: (Error: )?/, '')
    .replace(/\.?\s*Resolution note:.*$/s, '')
    .replace(/\s*\(\d{4}-\d\d-\d\dT[\d:.]+Z\)$/, '');
  if (/^Deadline exceeded/.test(plain)) return 'it does not answer in time';
  if (plain === 'Protocol error') return 'what listens there speaks another protocol, or TLS';
  return plain;
}
