import type { ArmDescription } from '../arms/description.ts';
import type { ArmDriver, ArmReport, ArmState } from '../arms/driver.ts';
import { Request } from '../core/control-state.ts';
import type { KinematicModel } from '../core/kinematics/model.ts';
import { monotonicNs } from '../platform/clock.ts';
import { ArmSegment } from '../segment/arm-segment.ts';
import { ChunkWriter } from '../segment/chunk-exchange.ts';
import { Lease } from '../segment/lease.ts';
import { Controller, type ControllerConfig } from './controller.ts';

/** An arm that is always where it was told to be. */
class ObedientArm implements ArmDriver {
  readonly dof: number;
  readonly jointNames: readonly string[];
  readonly #position: Float64Array;
  readonly #velocity: Float64Array;

  constructor({ dof, jointNames, home }: ArmDescription) {
    this.dof = dof;
    this.jointNames = jointNames;
    this.#position = Float64Array.from(home);
    this.#velocity = new Float64Array(dof);
  }

  busLoad(): number {
    return 0;
  }

  connect(): ArmReport {
    return { motors: [], warnings: [] };
  }

  read(_nowNs: number, state: ArmState): void {
    state.position.set(this.#position);
    state.velocity.set(this.#velocity);
    state.feedbackAgeNs.fill(0);
    state.motorTemperatureC.fill(30);
    state.driverTemperatureC.fill(30);
  }

  write({
    position,
    velocity,
  }: {
    readonly position: Float64Array;
    readonly velocity: Float64Array;
  }): number {
    this.#position.set(position);
    this.#velocity.set(velocity);
    return this.dof;
  }

  damp(): number {
    this.#velocity.fill(0);
    return this.dof;
  }

  close(): void {}
}

const CHUNK_ROWS = 30;
const STEP_S = 1 / 30;
const CHUNK_EVERY_TICKS = 50;
/** What is asked for at which tick: every state is visited, and the last request ends it. */
const SCRIPT: Readonly<Record<number, number>> = {
  50: Request.START,
  600: Request.PAUSE,
  620: Request.START,
  900: Request.RESET,
  1400: Request.STOP,
};
const MOST_TICKS = 2500;

/**
 * Plays the whole part once, in simulated time, on an arm that is not there: so the code of every state is compiled
 * before a real arm moves, and the first chunk does not meet a cold machine. Takes a fraction of a second. The
 * segment `name` that it works in is never seen. Returns the states it was in.
 */
export function rehearse(
  description: ArmDescription,
  kinematics: KinematicModel,
  config: ControllerConfig,
  name: string,
): ReadonlySet<number> {
  const { dof, home, model } = description;
  const segment = ArmSegment.createHidden(name, { dof, model, interfaceName: 'none' });
  const states = new Set<number>();
  try {
    const driver = new ObedientArm(description);
    const events = { push: () => undefined };
    const controller = new Controller({ description, kinematics, segment, driver, config, events });
    const periodNs = 1e9 / config.controlFrequencyHz;
    const startNs = monotonicNs();
    const lease = Lease.acquire(segment, 'rehearsal', startNs);
    const writer = new ChunkWriter(segment);
    const actions = new Float64Array(CHUNK_ROWS * dof);
    for (let tick = 0; tick < MOST_TICKS && !controller.finished; tick++) {
      const nowNs = startNs + tick * periodNs;
      if (tick % CHUNK_EVERY_TICKS === 0) {
        for (let row = 0; row < CHUNK_ROWS; row++) {
          for (let joint = 0; joint < dof; joint++) {
            const swing = joint < description.armDof ? 0.2 * Math.sin(tick / 100 + row / 10) : 0;
            actions[row * dof + joint] = home[joint]! + swing;
          }
        }
        lease.heartbeat(nowNs, nowNs / 1e9);
        writer.publish(
          { actions, rows: CHUNK_ROWS, dof, stepPeriodS: STEP_S, timestep: tick, observedNs: nowNs },
          nowNs,
        );
      }
      segment.request(SCRIPT[tick] ?? 0);
      controller.tick(nowNs, nowNs / 1e9);
      states.add(segment.fields.controlState);
    }
    return states;
  } finally {
    segment.close();
  }
}
