import { type ControlEvent, type ControlStateCode, Request, transition } from '../core/control-state.ts';
import type { ArmSegment } from '../segment/arm-segment.ts';

/** The bit and the event of each request, in the order of the segment's counters. */
const KINDS = [
  [Request.START, 'start'],
  [Request.PAUSE, 'pause'],
  [Request.RESET, 'reset'],
  [Request.STOP, 'stop'],
] as const satisfies readonly (readonly [number, ControlEvent])[];

export type RequestEvent = (typeof KINDS)[number][1];

/** Of requests that arrive in one tick the calmest counts: the first of these that is there. */
const RANK = [3, 1, 2, 0] as const;

/** Takes requests out of the segment, one a tick at most, and keeps count. Allocates nothing. */
export class RequestDesk {
  readonly #segment: ArmSegment;
  /** Carried out and refused since start: START, PAUSE, RESET, STOP. */
  readonly handled = new Uint32Array(KINDS.length);
  readonly refused = new Uint32Array(KINDS.length);
  /** Bits taken in the last {@link take}, those of them that were refused, and the bits taken last at any time. */
  taken = 0;
  refusedNow = 0;
  acknowledged = 0;

  constructor(segment: ArmSegment) {
    this.#segment = segment;
  }

  /** The request to carry out now, allowed in `state`; the others that arrived with it are refused. */
  take(state: ControlStateCode): RequestEvent | undefined {
    this.taken = this.#segment.takeRequests() & ALL;
    this.refusedNow = 0;
    if (this.taken === 0) return undefined;
    this.acknowledged = this.taken;
    let chosen: RequestEvent | undefined;
    let decided = false;
    for (let rank = 0; rank < RANK.length; rank++) {
      const index = RANK[rank]!;
      const [bit, event] = KINDS[index]!;
      if ((this.taken & bit) === 0) continue;
      if (!decided && transition(state, event) !== undefined) {
        chosen = event;
        this.handled[index]! += 1;
      } else {
        this.refusedNow |= bit;
        this.refused[index]! += 1;
      }
      decided = true;
    }
    return chosen;
  }
}

const ALL = Request.START | Request.PAUSE | Request.RESET | Request.STOP;
