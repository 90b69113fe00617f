import { setTimeout as pause } from 'node:timers/promises';
import { toMyelinError } from '../core/errors.ts';
import type { Policy } from '../policies/policy.ts';
import type { Engine } from '../serving/engine/engine.ts';
import type { PoolFlags } from './pool-flags.ts';

/** Where a policy is when it is not here. */
export interface PolicyElsewhere {
  readonly name: string;
  readonly policy: Policy;
}

const WAIT_MS = 1000;

/**
 * Opens the policy of the upstream servers or of the pool; undefined when neither is asked for. A pool without a
 * worker is waited for: machines that are switched on together are ready in any order.
 * @param signal ends the waiting
 */
export async function openElsewhere(
  flags: PoolFlags,
  onEvent: (text: string) => void,
  signal: AbortSignal,
): Promise<PolicyElsewhere | undefined> {
  if (flags.upstream.length > 0) {
    const { openUpstreamPolicy } = await import('../serving/pool/upstream/upstream-policy.ts');
    const { openpiServer } = await import('./remote-policy.ts');
    const servers = await Promise.all(flags.upstream.map((address) => openpiServer(address)));
    const policy = await openUpstreamPolicy({ servers, connections: flags.upstreamConnections, onEvent });
    return { name: 'upstream', policy };
  }
  if (flags.pool === undefined || !flags.front) return undefined;
  const { openPoolPolicy } = await import('../serving/pool/pool-policy.ts');
  const options = { ...natsOptions(flags, flags.pool), model: flags.poolModel, onEvent };
  const policy = await onceServed(() => openPoolPolicy(options), onEvent, signal);
  return { name: 'pool', policy };
}

async function onceServed(
  open: () => Promise<Policy>,
  onEvent: (text: string) => void,
  signal: AbortSignal,
): Promise<Policy> {
  for (let told = ''; ; ) {
    try {
      return await open();
    } catch (thrown) {
      const { code, message, hint } = toMyelinError(thrown);
      if (code !== 'POOL_NO_WORKER') throw thrown;
      if (message !== told) onEvent(`${message}: waiting for one. ${hint}`);
      told = message;
      await pause(WAIT_MS, undefined, { signal });
    }
  }
}

/** Makes the engine a worker of the pool; undefined when it is not asked to be one. */
export async function joinPool(
  engine: Engine,
  flags: PoolFlags & { readonly device: string },
  onEvent: (text: string) => void,
): Promise<{ readonly title: string; close(): Promise<void> } | undefined> {
  const { pool, poolModel, front, device } = flags;
  if (pool === undefined || front) return undefined;
  const { startPoolWorker } = await import('../serving/pool/pool-worker.ts');
  const standard = engine.standard;
  const worker = await startPoolWorker(engine, {
    ...natsOptions(flags, pool),
    ...(poolModel === undefined || standard === undefined
      ? {}
      : { models: new Map([[poolModel, standard]]) }),
    device: flags.upstream.length > 0 ? 'upstream' : device,
    onEvent,
  });
  return {
    title: `the pool "${flags.poolName}" as worker ${worker.id}, with ${worker.models.join(', ')}`,
    close: () => worker.close(),
  };
}

const natsOptions = ({ poolName, poolCreds, poolCa }: PoolFlags, url: string) => ({
  url,
  pool: poolName,
  credentialsFile: poolCreds,
  caFile: poolCa,
});
