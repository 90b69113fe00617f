import { setFlagsFromString } from 'node:v8';

/** How far the heap and what it holds outside may grow, past what lived at the last collection, before the next. */
export const RARELY = '--heap-growing-percent=400';

/**
 * Has V8 collect less often, for processes that pass pictures on. Every megabyte that comes over a socket is memory
 * that V8 counts to its heap, and with its own, smaller growth it walks the whole heap every few requests to free it:
 * two thirds of the time of a LeRobot server. Costs memory: up to four times the live heap, which is small, in garbage.
 */
export function collectRarely(): void {
  setFlagsFromString(RARELY);
}
