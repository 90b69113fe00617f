import { MyelinError } from '../../core/errors.ts';
import type { Identity } from '../auth/authenticator.ts';
import { allows } from '../protocol/right.ts';
import type { OperatorState } from './telemetry.ts';

/** Without a sign of life for this long the operator is lost. */
export const OPERATOR_TIMEOUT_MS = 1900;

/** Somebody connected who may be the operator. */
export interface Contender {
  readonly id: string;
  readonly identity: Identity;
  readonly protocol: string;
}

export interface OperatorHolder extends Contender {
  readonly sinceUnixS: number;
}

export type LeaseEnd = 'released' | 'disconnected' | 'lost' | 'taken over';

export interface OperatorLeaseOptions {
  readonly nowMs: () => number;
  readonly unixS: () => number;
  /** Called after every end of a tenure, whatever its reason. */
  readonly onEnd: (holder: OperatorHolder, why: LeaseEnd) => void;
  readonly onChange: () => void;
}

/**
 * One operator, many observers. A connection becomes the operator when it may operate and nobody else does; it stops
 * being it when it goes, gives the lease back, falls silent, or an admin takes over.
 */
export class OperatorLease {
  readonly #options: OperatorLeaseOptions;
  #holder: OperatorHolder | undefined;
  #heardMs = 0;

  constructor(options: OperatorLeaseOptions) {
    this.#options = options;
  }

  get holder(): OperatorHolder | undefined {
    this.check();
    return this.#holder;
  }

  /** Since the operator's last sign of life, ms. */
  get ageMs(): number {
    return this.#options.nowMs() - this.#heardMs;
  }

  /** Makes it the operator unless another one is. Whether it is the operator now. */
  offer(contender: Contender): boolean {
    this.check();
    if (this.#holder !== undefined) return this.#holder.id === contender.id;
    if (!allows(contender.identity.right, 'operate')) return false;
    this.#give(contender);
    return true;
  }

  /** @throws MyelinError OPERATOR_BUSY naming the holder */
  require(contender: Contender): void {
    if (!this.offer(contender)) throw this.busy();
  }

  /**
   * For somebody without a connection of its own to hold the lease, such as an HTTP request: passes while the lease
   * is free, while the same token holds it, and for an admin.
   * @throws MyelinError OPERATOR_BUSY naming the holder
   */
  requireFreeFor({ tokenId, right }: Identity): void {
    const holder = this.holder;
    if (holder !== undefined && holder.identity.tokenId !== tokenId && right !== 'admin') throw this.busy();
  }

  /** @throws MyelinError OPERATOR_BUSY when another holds it and this is no admin */
  take(contender: Contender): void {
    if (this.offer(contender)) return;
    if (!allows(contender.identity.right, 'admin')) throw this.busy();
    this.#end('taken over');
    this.#give(contender);
  }

  heard(id: string): void {
    if (this.#holder?.id === id) this.#heardMs = this.#options.nowMs();
  }

  /** Ends the tenure of this connection, or of whoever holds it when no id is given. Whether there was one. */
  release(why: LeaseEnd, id?: string): boolean {
    if (this.#holder === undefined || (id !== undefined && this.#holder.id !== id)) return false;
    this.#end(why);
    return true;
  }

  /** Ends the tenure of an operator that fell silent. Called often. */
  check(): void {
    if (this.#holder !== undefined && this.ageMs > OPERATOR_TIMEOUT_MS) this.#end('lost');
  }

  busy(): MyelinError {
    return new MyelinError('OPERATOR_BUSY', { holder: describeHolder(this.#holder) });
  }

  #give(contender: Contender): void {
    const { id, identity, protocol } = contender;
    this.#holder = { id, identity, protocol, sinceUnixS: this.#options.unixS() };
    this.#heardMs = this.#options.nowMs();
    this.#options.onChange();
  }

  #end(why: LeaseEnd): void {
    const holder = this.#holder;
    this.#holder = undefined;
    if (holder === undefined) return;
    this.#options.onEnd(holder, why);
    this.#options.onChange();
  }
}

export const describeHolder = (holder: Contender | undefined): string =>
  holder === undefined
    ? 'Somebody else'
    : `"${holder.identity.name}" (${holder.protocol} from ${holder.identity.address})`;

/** The operator as pages show it. */
export const operatorState = (lease: OperatorLease): OperatorState | null => {
  const { holder } = lease;
  if (holder === undefined) return null;
  const { id: session, identity, protocol } = holder;
  const { name, address } = identity;
  return { session, name, protocol, address, ageMs: Math.round(lease.ageMs) };
};
