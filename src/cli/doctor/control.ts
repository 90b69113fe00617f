import { inspectSegment } from '../../segment/owned-segment.ts';
import { type Check, ok, warning } from './check.ts';

/** Whether a control process owns the arm that a client would command. */
export const controlCheck = (segment: string): Check => ({
  name: 'control',
  title: 'Control process',
  look: async () => {
    const found = inspectSegment(segment);
    if (found?.alive) return [ok(`process ${found.pid} owns the arm on segment "${segment}"`)];
    const seen = found === undefined ? 'none' : `the one of process ${found.pid} is gone`;
    return [
      warning(
        `${seen} on segment "${segment}": a client waits for it`,
        'Start it: myelin control --model X5 --interface can0, or without an arm: myelin control --dry-run',
      ),
    ];
  },
});
