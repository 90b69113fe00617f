import { sufferRoundsOf } from '../support/fault-rounds.ts';

sufferRoundsOf(['freeze', 'slow-down']);
