/** Monotonic time, injected wherever logic needs to know when it is. */
export interface Clock {
  /** Nanoseconds on the system-wide monotonic clock, the same in every process. */
  nowNs(): number;
  /** Seconds since 1970. */
  unixS(): number;
}
