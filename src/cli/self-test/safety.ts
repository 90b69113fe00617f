import { bitNames, ErrorBit } from '../../core/control-state.ts';
import { proveMotion } from './motion-faults.ts';
import { expectThat, type SelfCheck } from './report.ts';
import { SimulatedArm } from './simulated-arm.ts';

/** Runs on an arm of its own; afterwards every traced tick must lie within the limits. */
const withTracedArm =
  (run: (arm: SimulatedArm) => Promise<string>): (() => Promise<string>) =>
  async () => {
    const arm = await SimulatedArm.start();
    try {
      const seen = await run(arm);
      const { ticks, faults } = proveMotion(arm.tracePath);
      expectThat(
        faults.length === 0,
        `the commanded motion broke its limits: ${faults.slice(0, 3).join('; ')}`,
      );
      return `${seen}; ${ticks} traced ticks within velocity, acceleration and jerk limits`;
    } finally {
      await arm.close();
    }
  };

const errorsOf = (arm: SimulatedArm): string => bitNames(ErrorBit, arm.segment.fields.errors).join(', ');

const moving = async (arm: SimulatedArm): Promise<void> => {
  arm.command();
  arm.send(arm.poseNear({ 0: 0.3, 3: -0.2 }), 100);
  arm.request('START');
  await arm.untilState('RUNNING');
  await arm.until('the arm moves', () => Math.abs(arm.read().commandedVelocity[0] ?? 0) > 0.05);
};

/** Milliseconds from `sinceNs` to the moment `condition` first holds. */
const delayMs = async (arm: SimulatedArm, what: string, condition: () => boolean): Promise<number> => {
  const startedMs = performance.now();
  await arm.until(what, condition, 5000);
  return performance.now() - startedMs;
};

/** What must hold when commanders, processes and buses misbehave. */
export const safetyChecks: readonly SelfCheck[] = [
  {
    claim: 'without a fresh action for the command timeout the arm holds',
    run: withTracedArm(async (arm) => {
      arm.command();
      arm.send(arm.poseNear({ 0: 0.05 }), 3);
      arm.request('START');
      await arm.untilState('RUNNING');
      await arm.until('TIMEOUT is raised', () => (arm.segment.fields.errors & ErrorBit.TIMEOUT) !== 0);
      expectThat(arm.state() === 'RUNNING', `the state is ${arm.state()}`);
      arm.send(arm.poseNear({ 0: 0.05 }), 60);
      await arm.until('TIMEOUT is cleared', () => (arm.segment.fields.errors & ErrorBit.TIMEOUT) === 0);
      return 'held with TIMEOUT, went on with the next chunk';
    }),
  },
  {
    claim: 'a chunk with NaN, with infinity or of the wrong size is refused and moves nothing',
    run: withTracedArm(async (arm) => {
      arm.command();
      const rest = arm.poseNear({});
      arm.send(rest, 100);
      arm.request('START');
      await arm.untilState('RUNNING');
      const seen: string[] = [];
      for (const [name, pose] of [
        ['NaN', arm.poseNear({ 2: Number.NaN })],
        ['infinity', arm.poseNear({ 1: Number.POSITIVE_INFINITY })],
        ['6 numbers a row', arm.poseNear({ 0: 1 }).slice(0, 6)],
      ] as const) {
        arm.send(pose, 30);
        await arm.until(
          `SAFETY is raised by ${name}`,
          () => (arm.segment.fields.errors & ErrorBit.SAFETY) !== 0,
        );
        seen.push(name);
        arm.send(arm.poseNear({}), 100);
        await arm.until('SAFETY is cleared', () => (arm.segment.fields.errors & ErrorBit.SAFETY) === 0);
      }
      const moved = Math.max(...rest.slice(0, 6).map((q, i) => Math.abs(q - (arm.read().position[i] ?? 0))));
      expectThat(moved < 0.02, `the arm moved ${moved} rad`);
      return `refused: ${seen.join(', ')}`;
    }),
  },
  {
    claim: 'a huge target is clamped: the arm goes no faster and no further than its limits',
    run: withTracedArm(async (arm) => {
      arm.command();
      arm.send(arm.poseNear({ 0: 1e6, 5: -1e6 }), 100);
      arm.request('START');
      await arm.untilState('RUNNING');
      await arm.until('a limit is hit', () => arm.read().limitsHit !== 0);
      const { positionMax } = arm.segment.fields;
      await arm.until(
        'joint 1 nears its limit',
        () => (arm.read().commandedPosition[0] ?? 0) > (positionMax[0] ?? 0) - 0.05,
      );
      const over = (arm.read().commandedPosition[0] ?? 0) - (positionMax[0] ?? 0);
      expectThat(over <= 0, `joint 1 was commanded ${over} rad past its limit`);
      return 'joint 1 stopped at its limit';
    }),
  },
  {
    claim: 'STOP during motion is taken at once and never undone',
    run: withTracedArm(async (arm) => {
      await moving(arm);
      arm.request('STOP');
      const waitedMs = await delayMs(arm, 'the stop is taken', () =>
        ['EMERGENCY_STOP', 'DAMPING'].includes(arm.state()),
      );
      arm.request('START');
      const code = await arm.controlExit;
      expectThat(code === 0, `the control process ended with ${code}`);
      return `taken within ${waitedMs.toFixed(0)} ms as seen from here, START afterwards changed nothing`;
    }),
  },
  {
    claim: 'kill -9 of the control loop: the guardian damps the arm',
    run: withTracedArm(async (arm) => {
      await moving(arm);
      const { loopPid } = arm;
      process.kill(loopPid, 'SIGKILL');
      const waitedMs = await delayMs(arm, 'the guardian has taken over', () => arm.state() === 'DAMPING');
      const errors = errorsOf(arm);
      expectThat(errors.includes('GUARDIAN'), `the errors are ${errors}`);
      const code = await arm.controlExit;
      expectThat(code !== 0, 'the exit code says that all is well');
      return `DAMPING after ${waitedMs.toFixed(0)} ms as seen from here, errors ${errors}`;
    }),
  },
  {
    claim: 'a frozen control loop (SIGSTOP) is ended, then the guardian damps the arm',
    run: withTracedArm(async (arm) => {
      await moving(arm);
      process.kill(arm.loopPid, 'SIGSTOP');
      const waitedMs = await delayMs(arm, 'the guardian has taken over', () => arm.state() === 'DAMPING');
      await arm.controlExit;
      return `DAMPING after ${waitedMs.toFixed(0)} ms as seen from here`;
    }),
  },
  {
    claim: 'kill -9 of the guardian: the loop brings the arm to rest, damps it and ends',
    run: withTracedArm(async (arm) => {
      await moving(arm);
      const { loopPid } = arm;
      process.kill(arm.guardianPid, 'SIGKILL');
      await arm.until('the loop stops', () => ['EMERGENCY_STOP', 'DAMPING'].includes(arm.state()));
      await arm.until('the loop has ended', () => {
        try {
          process.kill(loopPid, 0);
          return false;
        } catch {
          return true;
        }
      });
      return 'the loop ended by itself';
    }),
  },
  {
    claim: 'a motor that falls silent stops the arm',
    run: withTracedArm(async (arm) => {
      await moving(arm);
      const world = arm.world();
      world.fault({ kind: 'dead', motor: 5 });
      world.close();
      await arm.until('the arm is stopped', () => ['EMERGENCY_STOP', 'DAMPING'].includes(arm.state()));
      const errors = errorsOf(arm);
      expectThat(errors.includes('COMMUNICATION'), `the errors are ${errors}`);
      await arm.controlExit;
      return `errors ${errors}`;
    }),
  },
];
