const FIRST_MS = 250;
const LONGEST_MS = 5000;

/** Pause before reconnection number `attempt` (from 0), ms: doubling, bounded, with up to a quarter of jitter. */
export const reconnectDelayMs = (attempt: number, random: number): number =>
  Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 10)) * (0.75 + 0.25 * random);
