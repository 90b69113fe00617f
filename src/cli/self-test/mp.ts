import { existsSync } from 'node:fs';
import { bitNames, ErrorBit } from '../../core/control-state.ts';
import { expectThat, type SelfCheck } from './report.ts';
import { SimulatedArm } from './simulated-arm.ts';

const withArm =
  (run: (arm: SimulatedArm) => Promise<string>): (() => Promise<string>) =>
  async () => {
    const arm = await SimulatedArm.start();
    try {
      return await run(arm);
    } finally {
      await arm.close();
    }
  };

const degrees = (rad: number): string => `${((rad * 180) / Math.PI).toFixed(2)} deg`;

/** World, control process and commander as real processes. */
export const mpChecks: readonly SelfCheck[] = [
  {
    claim: 'the control process publishes the arm, tick after tick',
    run: withArm(async (arm) => {
      const first = arm.read().tick;
      await arm.until('200 ticks have passed', () => arm.read().tick >= first + 200);
      const { controlFrequencyHz, missed, latenessMaxNs } = arm.segment.fields;
      return `${controlFrequencyHz} Hz, ${missed} periods missed, largest wake-up lateness ${(latenessMaxNs / 1000).toFixed(0)} us`;
    }),
  },
  {
    claim: 'a chunk moves the arm to where it says',
    run: withArm(async (arm) => {
      arm.command();
      const goal = arm.poseNear({ 0: 0.15, 4: -0.1 });
      arm.send(goal, 100);
      arm.request('START');
      await arm.untilState('RUNNING');
      const error = (): number =>
        Math.max(...goal.slice(0, 6).map((q, i) => Math.abs(q - (arm.read().position[i] ?? 0))));
      await arm.until('the arm is within 2 degrees of the goal', () => error() < 0.035);
      return `largest joint error ${degrees(error())}`;
    }),
  },
  {
    claim: 'a commander that falls silent leaves a held, then a paused arm; START goes on',
    run: withArm(async (arm) => {
      arm.command();
      arm.send(arm.poseNear({ 0: 0.1 }), 100);
      arm.request('START');
      await arm.untilState('RUNNING');
      arm.fallSilent();
      await arm.untilState('PAUSED');
      const errors = bitNames(ErrorBit, arm.segment.fields.errors);
      arm.command();
      arm.send(arm.poseNear({}), 100);
      arm.request('START');
      await arm.untilState('RUNNING');
      return `PAUSED with ${errors.join(', ')}, then RUNNING again`;
    }),
  },
  {
    claim: 'RESET goes home and waits in IDLE; it never starts motion by itself',
    run: withArm(async (arm) => {
      arm.command();
      arm.send(arm.poseNear({ 0: 0.1 }), 100);
      arm.request('START');
      await arm.untilState('RUNNING');
      arm.request('RESET');
      await arm.untilState('RESETTING');
      await arm.untilState('IDLE', 20_000);
      arm.send(arm.poseNear({ 0: 0.3 }), 100);
      const before = arm.read().tick;
      await arm.until('500 ticks have passed', () => arm.read().tick > before + 500);
      expectThat(arm.state() === 'IDLE', `the state became ${arm.state()}`);
      const { home, position } = arm.segment.fields;
      const error = Math.max(...[0, 1, 2, 3, 4, 5].map((i) => Math.abs((home[i] ?? 0) - (position[i] ?? 0))));
      return `home within ${degrees(error)}, still IDLE a second later although chunks came`;
    }),
  },
  {
    claim: 'STOP damps the arm, the process ends by itself, and nothing is left behind',
    run: withArm(async (arm) => {
      arm.request('STOP');
      const code = await arm.controlExit;
      expectThat(code === 0, `the control process ended with ${code}\n${arm.controlOutput}`);
      expectThat(!existsSync(`/dev/shm/${arm.name}`), `/dev/shm/${arm.name} is still there`);
      return 'exit code 0, segment removed';
    }),
  },
];
