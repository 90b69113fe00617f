import { motionExtremes } from '../core/motion/finite-differences.ts';
import { LockStep } from './lock-step.ts';

/** The lock steps of one test file. */
export class LockSteps {
  readonly #open: LockStep[] = [];

  make = (...args: ConstructorParameters<typeof LockStep>): LockStep => {
    const made = new LockStep(...args);
    this.#open.push(made);
    return made;
  };

  /**
   * Closes them all, after every test.
   * @throws Error when a commanded pose left its limits, by finite differences from the first tick to the last
   */
  close(): void {
    const beyond = this.#open.flatMap(beyondLimits);
    for (const made of this.#open.splice(0)) made[Symbol.dispose]();
    if (beyond.length > 0) throw new Error(`The commanded pose left its limits: ${beyond.join(', ')}`);
  }
}

const beyondLimits = ({ commanded, description, periodNs }: LockStep): string[] =>
  commanded.flatMap((positions, joint) => {
    const { velocity, acceleration, jerk } = motionExtremes(
      positions,
      description.limits,
      joint,
      periodNs / 1e9,
    );
    return Object.entries({ velocity, acceleration, jerk })
      .filter(([, share]) => !(share <= 1))
      .map(([what, share]) => `${description.jointNames[joint]} ${what} ${share.toFixed(3)} of its limit`);
  });
