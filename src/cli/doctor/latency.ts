import { percentile } from '../../core/bench-table.ts';
import { type Finding, ok, warning } from './check.ts';

/** A round trip longer than this needs a longer queue than usual: three steps at 30 a second, ms. */
const LONG_MS = 100;
const PAUSE_MS = 10;

/**
 * Round trips one after the other, and what they say about the network. The first, which warms things up, does not count.
 * @param trip one round trip
 */
export async function latencyFinding(
  rounds: number,
  fps: number,
  signal: AbortSignal,
  trip: () => Promise<void>,
): Promise<Finding> {
  await trip();
  const times: number[] = [];
  while (times.length < rounds && !signal.aborted) {
    const startedMs = performance.now();
    await trip();
    times.push(performance.now() - startedMs);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  const sorted = times.sort((a, b) => a - b);
  const p50Ms = percentile(sorted, 0.5);
  const p99Ms = percentile(sorted, 0.99);
  const longestMs = sorted.at(-1) ?? Number.NaN;
  const values = { rounds: times.length, p50Ms, p99Ms, longestMs };
  const ms = (value: number) => value.toFixed(value < 10 ? 2 : 1);
  const seen = `round trip p50 ${ms(p50Ms)} ms, p99 ${ms(p99Ms)} ms, longest ${ms(longestMs)} ms (${times.length} without pictures or model)`;
  if (!(p99Ms > LONG_MS)) return ok(seen, values);
  const steps = Math.ceil((p99Ms / 1000) * fps);
  return warning(
    seen,
    `That is ${steps} actions at ${fps} a second, and the model's time comes on top: keep --chunk-size-threshold x --actions-per-chunk well above it; see myelin tune --latency-ms ${p50Ms.toFixed(0)} --jitter-ms ${(p99Ms - p50Ms).toFixed(0)}.`,
    values,
  );
}
