import { MyelinError } from '../../core/errors.ts';
import { MotorFault } from '../driver.ts';
import type { Motor, SendFrame } from './motor.ts';

/** What waking the motors needs from the driver. */
export interface Wakeable {
  readonly busName: string;
  readonly motors: readonly Motor[];
  readonly send: SendFrame;
  /** Feedback frames each motor has sent so far. */
  readonly heard: Uint32Array;
  takeWaitingFrames(): void;
  sendLimp(): void;
  sendDamping(): void;
}

/** A motor answers within a millisecond; with a bus that is busy, or an adapter, this is ample. */
const ANSWER_MS = 4;
const CLEAR_MS = 20;
/** Time between limp frames while motors wake; shorter than any communication timeout in use. */
const WAKE_PERIOD_MS = 5;
const WAKE_TRIES = 200;
/** Every so many tries a motor that is silent or faulty is cleared and enabled again. */
const RETRY_EVERY = 20;
const DAMPING_FRAMES = 10;

/**
 * Brings every motor from whatever it was doing to damping: clear errors, ask for scales and timeouts, enable,
 * limp until each has answered, then zero stiffness with damping.
 * @throws MyelinError MOTOR_SILENT, MOTOR_FAULT
 */
export function wake(arm: Wakeable, waitMs: (ms: number) => void): void {
  const { motors, send } = arm;
  arm.takeWaitingFrames();
  for (const motor of motors) motor.clearError(send);
  waitMs(CLEAR_MS);
  arm.takeWaitingFrames();

  for (let asked = true; asked; ) {
    asked = false;
    for (const motor of motors) asked = motor.ask(send) || asked;
    if (asked) waitMs(ANSWER_MS);
    arm.takeWaitingFrames();
  }

  for (const motor of motors) motor.enable(send);
  waitMs(WAKE_PERIOD_MS);
  arm.takeWaitingFrames();
  // Only what is heard from here on tells the state after enabling.
  const before = Uint32Array.from(arm.heard);
  const awake = (index: number) => arm.heard[index] !== before[index] && motors[index]!.fault() === 0;
  for (let attempt = 1; attempt <= WAKE_TRIES && !motors.every((_, index) => awake(index)); attempt++) {
    if (attempt % RETRY_EVERY === 0) {
      motors.forEach((motor, index) => {
        if (awake(index)) return;
        motor.clearError(send);
        motor.enable(send);
      });
    }
    arm.sendLimp();
    waitMs(WAKE_PERIOD_MS);
    arm.takeWaitingFrames();
  }
  for (let count = 0; count < DAMPING_FRAMES; count++) {
    arm.sendDamping();
    waitMs(WAKE_PERIOD_MS);
    arm.takeWaitingFrames();
  }

  const silent = motors.filter((_, index) => arm.heard[index] === before[index]);
  if (silent.length > 0) {
    const names = silent.map(({ description: { joint, canId } }) => `${joint} (id ${canId})`);
    throw new MyelinError('MOTOR_SILENT', { motors: names.join(', '), interface: arm.busName });
  }
  const faulty = motors.find((motor) => motor.fault() !== 0);
  if (faulty !== undefined) {
    const { joint, canId } = faulty.description;
    throw new MyelinError('MOTOR_FAULT', { motor: `${joint} (id ${canId})`, ...explain(faulty.fault()) });
  }
}

const EXPLANATIONS: readonly (readonly [bit: number, fault: string, advice: string])[] = [
  [MotorFault.OVER_VOLTAGE, 'over-voltage', 'Check the supply: these arms take 24 V.'],
  [MotorFault.UNDER_VOLTAGE, 'under-voltage', 'Check the supply and its cable: these arms take 24 V.'],
  [
    MotorFault.OVER_CURRENT,
    'over-current',
    'See whether the joint is blocked, then switch the arm off and on.',
  ],
  [MotorFault.OVER_TEMPERATURE, 'over-temperature', 'Let the motor cool down.'],
  [MotorFault.COMMUNICATION_LOST, 'lost communication', 'Check wiring and termination of the bus.'],
  [MotorFault.OVERLOAD, 'overload', 'See whether the joint is blocked or carries too much.'],
  [
    MotorFault.SENSOR,
    'a sensor failure',
    'Switch the arm off and on; if it stays, the encoder needs service.',
  ],
  [MotorFault.DISABLED, 'that it stays disabled', 'Switch the arm off and on.'],
];

/** Words for `MotorFault` bits, for {@link MyelinError} MOTOR_FAULT. */
export function explain(fault: number): { fault: string; advice: string } {
  const known = EXPLANATIONS.find(([bit]) => (fault & bit) !== 0);
  if (known !== undefined) return { fault: known[1], advice: known[2] };
  return { fault: 'an unknown fault', advice: 'Switch the arm off and on.' };
}
