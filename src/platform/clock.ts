import type { Clock } from '../core/clock.ts';
import { Errno, libc } from './libc.ts';

const REALTIME = 0;
const MONOTONIC = 1;
const ABSOLUTE = 1;
const TWO_32 = 2 ** 32;

// struct timespec: two 64-bit little-endian integers, seconds and nanoseconds.
const timespec = new Uint32Array(4);
const deadline = new Uint32Array(4);
let c: ReturnType<typeof libc> | undefined;

const readClock = (clock: number): void => {
  c ??= libc();
  c.clock_gettime(clock, timespec);
};
const seconds = (): number => timespec[0]! + timespec[1]! * TWO_32;

/** Nanoseconds on CLOCK_MONOTONIC, the same in every process of the machine. Allocates nothing, about 70 ns. */
export function monotonicNs(): number {
  readClock(MONOTONIC);
  return seconds() * 1e9 + timespec[2]!;
}

/** Seconds since 1970, to the nanosecond as far as a double goes. Allocates nothing. */
export function unixS(): number {
  readClock(REALTIME);
  return seconds() + timespec[2]! / 1e9;
}

/**
 * Blocks this thread until `deadlineNs` on the monotonic clock, or returns at once if it has passed (asking the
 * kernel then would still cost 15 us). Signals do not cut it short.
 */
export function sleepUntilNs(deadlineNs: number): void {
  if (!(deadlineNs > monotonicNs())) return;
  c ??= libc();
  const wholeS = Math.floor(deadlineNs / 1e9);
  deadline[0] = wholeS % TWO_32;
  deadline[1] = Math.floor(wholeS / TWO_32);
  deadline[2] = deadlineNs - wholeS * 1e9;
  while (c.clock_nanosleep(MONOTONIC, ABSOLUTE, deadline, null) === Errno.EINTR);
}

/**
 * Looks at the clock, about every 100 ns, until it shows `deadlineNs` or later. Compares whole numbers of 31 bits only:
 * a double that crosses a call is boxed, and boxes of a thousand looks would be collected in the middle of the wait.
 */
export function spinUntilNs(deadlineNs: number): void {
  const wholeS = Math.floor(deadlineNs / 1e9);
  const restNs = Math.ceil(deadlineNs - wholeS * 1e9);
  do readClock(MONOTONIC);
  while (timespec[0]! < wholeS || (timespec[0] === wholeS && timespec[2]! < restNs));
}

export const systemClock: Clock = { nowNs: monotonicNs, unixS };
