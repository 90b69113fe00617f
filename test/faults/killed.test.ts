import { expect, it } from 'vitest';
import { ROUNDS, SEED, sufferRoundsOf } from '../support/fault-rounds.ts';
import { FaultRun, MISFORTUNES, VICTIMS } from '../support/fault-run.ts';

sufferRoundsOf(['kill -9']);

it('covers, with the file beside it, every process and every misfortune', () => {
  const run = new FaultRun(SEED);
  const drawn = Array.from({ length: ROUNDS }, (_, round) => run.draw(round));
  expect(new Set(drawn.map(({ victim }) => victim))).toEqual(new Set(VICTIMS));
  expect(new Set(drawn.map(({ how }) => how))).toEqual(new Set(MISFORTUNES));
});
