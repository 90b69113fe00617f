import type { ArmDescription } from '../arms/description.ts';
import type { ArmDriver } from '../arms/driver.ts';
import type { CanBusStats } from '../buses/can.ts';
import type { KinematicModel } from '../core/kinematics/model.ts';
import type { ArmSegment } from '../segment/arm-segment.ts';
import type { ControlConfig } from './control-config.ts';
import type { EventSink } from './event-codes.ts';
import { traceColumnCount } from './trace-row.ts';

/** The settings of {@link ControlConfig} that the controller itself heeds. */
export type ControllerConfig = Pick<
  ControlConfig,
  | 'controlFrequencyHz'
  | 'commandTimeoutS'
  | 'watchdogTimeoutS'
  | 'feedbackTimeoutS'
  | 'policyFrequencyHz'
  | 'tablePlaneZ'
>;

export interface ControllerParts {
  readonly description: ArmDescription;
  readonly kinematics: KinematicModel;
  readonly segment: ArmSegment;
  /** Connected: {@link ArmDriver.connect} has been called. */
  readonly driver: ArmDriver;
  readonly config: ControllerConfig;
  readonly events: EventSink;
  /** Counters of the driver's bus, for the segment and the trace. */
  readonly busStats?: Readonly<CanBusStats> | undefined;
}

/** The safety core. One {@link Controller.tick} a period; see the files beside this one for its phases. */
export class Controller {
  /** What happened in the last tick, in the order of `traceColumns(dof)`; always the same array. */
  readonly traceRow: Float64Array;
  #finished = false;

  constructor(parts: ControllerParts) {
    this.traceRow = new Float64Array(traceColumnCount(parts.description.dof));
  }

  /** True once the arm is damped and at rest: the process may end. */
  get finished(): boolean {
    return this.#finished;
  }

  tick(_nowNs: number, _unixS: number): void {}

  guardianLost(_nowNs: number): void {}
}
