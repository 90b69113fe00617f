import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'vitest';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What a process holds, MiB. */
export interface LiveMemory {
  /** Reachable: V8's heap and what it holds outside, right after a full collection. What leaks shows here. */
  readonly live: number;
  /** Resident: that, and what the allocator keeps of what was given back. */
  readonly resident: number;
}

/** Collects all garbage of this process, then looks. */
export function liveMemory(): LiveMemory {
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { live: (heapUsed + external) / 2 ** 20, resident: rss / 2 ** 20 };
}

export const memoryText = ({ live, resident }: LiveMemory): string =>
  `${live.toFixed(0)} MiB live, ${resident.toFixed(0)} MiB resident`;

/** A leak of thirty bytes a message would be more after a million. */
const MOST_LIVE_MIB = 24;
/** Fragments, and buffers of connections that come and go. */
const MOST_RESIDENT_MIB = 150;

/** Expects that nothing was kept since the first look. */
export function expectFlat(memory: readonly LiveMemory[]): void {
  const [first, last] = [memory[0], memory.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError('nobody looked');
  expect(last.live - first.live).toBeLessThan(MOST_LIVE_MIB);
  expect(last.resident - first.resident).toBeLessThan(MOST_RESIDENT_MIB);
}
