import { MyelinError } from '../../core/errors.ts';

/** Where the members of one pool speak to each other. */
export interface PoolSubjects {
  /** Asks to be admitted; one worker of the queue group answers. */
  readonly admit: string;
  /** Asks every worker for its load report now. */
  readonly rollCall: string;
  /** Load reports of all workers. */
  readonly loads: string;
  /** Load reports of one worker. */
  load(worker: string): string;
  /** Requests to one worker. */
  worker(worker: string): string;
}

/** Workers share admissions: the NATS server hands each to one of them. */
export const ADMISSION_QUEUE = 'workers';

/** Part of every subject; a later version of the messages gets another one. */
const PREFIX = 'myelin.pool.v1';
const POOL_NAME = /^[\w-]{1,64}$/;
/** Names of workers and sessions: random, made by their owners. */
export const ID = /^[\w-]{8,64}$/;

/**
 * @param pool name that keeps several pools on one NATS server apart: letters, digits, `_` and `-`
 * @throws MyelinError INVALID_ARGUMENT
 */
export function poolSubjects(pool: string): PoolSubjects {
  if (!POOL_NAME.test(pool)) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'the name of the pool',
      value: JSON.stringify(pool.slice(0, 80)),
      allowed: '1 to 64 letters, digits, _ and -',
    });
  }
  const root = `${PREFIX}.${pool}`;
  return {
    admit: `${root}.admit`,
    rollCall: `${root}.roll`,
    loads: `${root}.load.*`,
    load: (worker) => `${root}.load.${worker}`,
    worker: (worker) => `${root}.to.${worker}`,
  };
}
