import type { Policy, PolicySpec } from '../../policies/policy.ts';
import { Turns } from './turns.ts';

/** Sums over all requests for one policy since it was loaded. */
export interface PolicyCounts {
  requests: number;
  answered: number;
  failed: number;
  /** Replaced by a newer request of the same client before their turn came. */
  replaced: number;
  /** Past their deadline. */
  expired: number;
  /** Milliseconds spent in the model, all answers together. */
  modelMs: number;
  /** Milliseconds spent waiting for a turn, all answers together. */
  queueMs: number;
}

/** A policy that is loaded and warm, shared by the sessions that use it. */
export class LoadedPolicy {
  /** As clients name it. */
  readonly name: string;
  readonly policy: Policy;
  /** Milliseconds it took to load. */
  readonly loadMs: number;
  readonly turns: Turns;
  readonly counts: PolicyCounts = {
    requests: 0,
    answered: 0,
    failed: 0,
    replaced: 0,
    expired: 0,
    modelMs: 0,
    queueMs: 0,
  };
  /** Sessions that use it now. */
  sessions = 0;

  constructor(name: string, policy: Policy, loadMs: number) {
    this.name = name;
    this.policy = policy;
    this.loadMs = loadMs;
    this.turns = new Turns(policy.parallelCalls);
  }

  get spec(): PolicySpec {
    return this.policy.spec;
  }

  /** A policy with a memory of its own where that is possible, and whether it is one. */
  memory(): { policy: Policy; own: boolean } {
    const fork = this.policy.fork?.();
    return fork === undefined ? { policy: this.policy, own: false } : { policy: fork, own: true };
  }
}
