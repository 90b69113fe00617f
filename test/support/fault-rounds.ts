import { describe, expect, it } from 'vitest';
import { FaultRun, type Misfortune, type Victim } from './fault-run.ts';

/**
 * The matrix of misfortune: every process killed, frozen or slowed at random moments of real motion. The promise is
 * the same each time: the commanded pose keeps within velocity, acceleration and jerk limits and never jumps, the
 * arm ends up held or damped, and the system says what happened. The soak suite does the same 200 times.
 */
export const ROUNDS = 20;
export const SEED = 20_260;

/** Tests of the rounds in which one of these misfortunes befalls somebody. */
export function sufferRoundsOf(misfortunes: readonly Misfortune[]): void {
  describe('at random moments of real motion', () => {
    const run = new FaultRun(SEED);
    for (let round = 0; round < ROUNDS; round++) {
      const { victim, how, afterMs } = run.draw(round);
      if (!misfortunes.includes(how)) continue;
      it(`${how} of the ${victim} after ${afterMs} ms of motion never breaks a limit`, {
        timeout: 120_000,
      }, async () => {
        const { faults, ticks, ending } = await run.suffer(victim, how, afterMs);
        expect(faults).toEqual([]);
        expect(ticks).toBeGreaterThan(50);
        expect(ending).toMatch(victim === 'guardian' && how === 'slow-down' ? HELD : EXPECTED[victim]);
      });
    }
  });
}

/** Somebody still has the arm, and it goes on or holds. */
const HELD = /^(RUNNING|PAUSED)$/;

/** How the arm must have ended, whichever misfortune befell whom. A guardian that is only slow is still there. */
const EXPECTED: Readonly<Record<Victim, RegExp>> = {
  policy: HELD,
  camera: HELD,
  loop: /^damped by the guardian$/,
  guardian: /^damped by the loop$/,
  world: /^damped or unreachable$|^RUNNING$|^PAUSED$/,
};
