import { unlinkSync } from 'node:fs';
import { proveMotion } from '../../src/cli/self-test/motion-faults.ts';
import { SimulatedArm } from '../../src/cli/self-test/simulated-arm.ts';
import { ControlState } from '../../src/core/control-state.ts';
import { isAlive } from '../../src/platform/process.ts';
import { myelin, sharedMemoryWith, stopAll, uniqueName, until } from './processes.ts';

export const VICTIMS = ['policy', 'camera', 'loop', 'guardian', 'world'] as const;
export type Victim = (typeof VICTIMS)[number];

export const MISFORTUNES = ['kill -9', 'freeze', 'slow-down'] as const;
export type Misfortune = (typeof MISFORTUNES)[number];

export interface Suffered {
  readonly ticks: number;
  readonly faults: readonly string[];
  /** What became of the arm, in words. */
  readonly ending: string;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Small seeded generator (mulberry32): the same rounds in every run with the same seed. */
const generator = (seed: number) => {
  let state = seed >>> 0;
  return (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};

/** One misfortune a round, befalling a whole running system: world, control process, cameras, scripted policy. */
export class FaultRun {
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Every process meets every misfortune in turn; when, is drawn. */
  draw(round: number): { victim: Victim; how: Misfortune; afterMs: number } {
    const victim = VICTIMS[round % VICTIMS.length] ?? 'policy';
    const how = MISFORTUNES[Math.floor(round / VICTIMS.length) % MISFORTUNES.length] ?? 'kill -9';
    return { victim, how, afterMs: Math.floor(generator(this.#seed + round)() * 1500) };
  }

  async suffer(victim: Victim, how: Misfortune, afterMs: number): Promise<Suffered> {
    const name = uniqueName('fault');
    // It waits for the control process.
    const policy = myelin(['infer', '--policy', 'scripted', '--segment', name, '--no-display']);
    // Simulated metal stalls with a busy machine, which is not the misfortune that is meant.
    const arm = await SimulatedArm.start({ name, control: ['--feedback-timeout', '0.5'] });
    try {
      const camera = myelin(['camera', '--source', `world:${name}`, '--camera', `external=${name}`]);
      await policy.says(/commands the/).catch((thrown: unknown) => {
        throw new Error(`no policy took the arm (${arm.state()})\n${arm.controlOutput}`, { cause: thrown });
      });
      arm.request('START');
      await arm.until('the arm moves', () => Math.abs(arm.read().commandedVelocity[0] ?? 0) > 0.05);
      await pause(afterMs);
      const pid = {
        policy: policy.pid,
        camera: camera.pid,
        loop: arm.loopPid,
        guardian: arm.guardianPid,
        world: arm.worldPid,
      }[victim];
      await strike(pid, how);
      const ending = await this.#ending(arm, victim);
      return { ...proveMotion(arm.tracePath), ending };
    } finally {
      await stopAll();
      await arm.close();
      // What a killed process left is taken over by its next start; here there is none.
      for (const name of sharedMemoryWith(arm.name)) unlinkSync(`/dev/shm/${name}`);
    }
  }

  /** Watches until the arm has come to a lasting state. */
  async #ending(arm: SimulatedArm, victim: Victim): Promise<string> {
    const { loopPid } = arm;
    const { RUNNING, PAUSED } = ControlState;
    // Whatever is to happen has happened when two seconds have passed or the loop is gone.
    const deadlineMs = performance.now() + 2500;
    while (performance.now() < deadlineMs && isAlive(loopPid)) await pause(10);
    if (isAlive(loopPid) && [RUNNING, PAUSED].some((state) => state === arm.segment.fields.controlState)) {
      return arm.state();
    }
    await until('the loop has ended', () => !isAlive(loopPid), 15_000);
    if (victim === 'guardian') return 'damped by the loop';
    const code = await arm.controlExit;
    return victim === 'world'
      ? `damped or unreachable`
      : `damped by the guardian${code === 1 ? '' : ` (exit ${code})`}`;
  }
}

/** Lets the misfortune befall a process. A frozen one thaws after 1.5 s, a slowed one gets a quarter of its time for 1 s. */
async function strike(pid: number, how: Misfortune): Promise<void> {
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(pid, name);
    } catch {
      // It is gone already: that is one of the outcomes.
    }
  };
  if (how === 'kill -9') {
    signal('SIGKILL');
  } else if (how === 'freeze') {
    signal('SIGSTOP');
    setTimeout(() => signal('SIGCONT'), 1500);
  } else {
    for (let i = 0; i < 25; i++) {
      signal('SIGSTOP');
      await pause(30);
      signal('SIGCONT');
      await pause(10);
    }
  }
}
