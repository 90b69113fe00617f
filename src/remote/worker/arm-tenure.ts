import { ControlState, Request } from '../../core/control-state.ts';
import { type MyelinError, toMyelinError } from '../../core/errors.ts';
import { ArmSegment } from '../../segment/arm-segment.ts';
import { Lease } from '../../segment/lease.ts';

/**
 * Ends what a project began with the arm. The control process holds by itself when a project's heartbeats stay out;
 * the worker knows sooner, and gives the lease back at once.
 */
export class ArmTenure {
  readonly #segment: string | undefined;
  readonly #onProblem: (error: MyelinError) => void;

  /**
   * @param segment of the arm; left out where there is none
   * @param onProblem is told when it cannot be reached: the project's lease then lapses by itself
   */
  constructor(segment: string | undefined, onProblem: (error: MyelinError) => void) {
    this.#segment = segment;
    this.#onProblem = onProblem;
  }

  /**
   * Takes the lease from the project whose process group is `pid`, pausing the arm first if it may be moving.
   * Whether it had the lease.
   */
  end(pid: number): boolean {
    if (this.#segment === undefined) return false;
    try {
      using segment = ArmSegment.open(this.#segment);
      const { fields } = segment;
      if (fields.leaseOwner !== pid) return false;
      if (fields.controlState === ControlState.RUNNING) segment.request(Request.PAUSE);
      return Lease.revoke(segment, pid);
    } catch (thrown) {
      const error = toMyelinError(thrown);
      if (error.code !== 'SEGMENT_MISSING') this.#onProblem(error);
      return false;
    }
  }
}
