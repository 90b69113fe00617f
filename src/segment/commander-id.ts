import { randomInt } from 'node:crypto';
import { isAlive, pidNamespace } from '../platform/process.ts';
import type { ArmSegment } from './arm-segment.ts';

/** Ids from here on are nobody's process id. */
const NO_PROCESS = 2 ** 31;
const GIVEN = /^[1-9]\d{0,9}$/;

let drawn: number | undefined;

/** Whether this process numbers processes as the segment's control process does. */
const sameNumbers = ({ fields }: ArmSegment): boolean => {
  const mine = pidNamespace();
  return fields.pidNamespace === 0 || mine === 0 || mine === fields.pidNamespace;
};

/**
 * What this process calls itself as a commander: what `MYELIN_COMMANDER` says, where whoever put it into a PID
 * namespace gave it the id it has outside; else its process id, where the control process counts the same way; else
 * a number of its own that is nobody's process id.
 */
export function commanderId(segment: ArmSegment, environment: NodeJS.ProcessEnv = process.env): number {
  const given = environment.MYELIN_COMMANDER ?? '';
  if (GIVEN.test(given) && Number(given) < 2 ** 32) return Number(given);
  if (sameNumbers(segment)) return process.pid;
  drawn ??= randomInt(NO_PROCESS, 2 ** 32);
  return drawn;
}

/**
 * Whether a commander may still live. False only where that is known: of a process id in this namespace. Any other
 * commander is judged by its heartbeat alone.
 */
export const commanderMayLive = (segment: ArmSegment, id: number): boolean =>
  id >= NO_PROCESS || !sameNumbers(segment) || isAlive(id);
