import type { Observation } from '../../src/core/observation.ts';
import type { Policy } from '../../src/policies/policy.ts';
import { LeRobotPolicy } from '../../src/serving/lerobot/client.ts';
import { openOpenpiPolicy } from '../../src/serving/openpi/open-openpi-policy.ts';
import { seededRandom } from '../../src/world/random.ts';
import { NetworkedArm } from './networked-arm.ts';
import { until } from './processes.ts';

const DOF = 7;
const PICTURE = { width: 160, height: 120 };
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A client that asks as fast as it is answered, and goes on asking when it is not. */
class Load {
  answers = 0;
  failures = 0;
  readonly name: string;
  readonly #policy: Policy;
  readonly #done: Promise<void>;
  #stopped = false;

  constructor(name: string, policy: Policy) {
    this.name = name;
    this.#policy = policy;
    this.#done = this.#ask();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#policy.close();
    await this.#done;
  }

  async #ask(): Promise<void> {
    for (let step = 0; !this.#stopped; step++) {
      try {
        await this.#policy.infer(observation(step));
        this.answers += 1;
        await pause(20);
      } catch {
        this.failures += 1;
        await pause(50);
      }
    }
  }
}

const observation = (timestep: number): Observation => ({
  timestep,
  timestampNs: 0,
  state: new Float64Array(DOF),
  velocity: new Float64Array(DOF),
  cameras: new Map([
    [
      'external',
      {
        ...{ name: 'external', ...PICTURE, capturedNs: 0, sequence: timestep },
        rgb: new Uint8Array(3 * PICTURE.width * PICTURE.height),
      },
    ],
  ]),
  task: '',
});

export interface RestartReport {
  readonly rounds: number;
  /** Where a commanded motion broke a limit, in sentences. */
  readonly faults: readonly string[];
  readonly answers: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
}

/**
 * A policy server is killed (-9) and started again, over and over, at drawn moments, while an arm's client and two
 * more clients are at work, one of each protocol. Every round waits until each of them was answered again.
 */
export async function restartUnderLoad(rounds: number, seed: number): Promise<RestartReport> {
  const random = seededRandom(seed);
  const rig = await NetworkedArm.start('lerobot');
  const loads: Load[] = [];
  const faults: string[] = [];
  try {
    const { lerobot, openpi } = rig.server.ports;
    loads.push(
      new Load(
        'LeRobot client',
        new LeRobotPolicy({
          ...{ address: `127.0.0.1:${lerobot}`, policyType: 'act', pretrainedNameOrPath: 'waving' },
          ...{ actionsPerChunk: 40, cameras: [{ name: 'external', ...PICTURE }] },
          stateNames: Array.from({ length: DOF }, (_, i) => `joint${i}.pos`),
        }),
      ),
      new Load('openpi client', await openOpenpiPolicy({ url: `ws://127.0.0.1:${openpi}` })),
    );
    for (let round = 0; round < rounds; round++) {
      await pause(random() * 500);
      await rig.server.kill();
      await pause(random() * 300);
      await rig.server.start();
      const before = loads.map(({ answers }) => answers);
      await rig.works(1);
      for (const [i, load] of loads.entries())
        await until(
          `the ${load.name} is answered in round ${round}`,
          () => load.answers > (before[i] ?? 0),
          180_000,
        );
      faults.push(...rig.motion().faults.map((fault) => `round ${round}: ${fault}`));
    }
    const count = (key: 'answers' | 'failures') =>
      Object.fromEntries(loads.map((load) => [load.name, load[key]]));
    return { rounds, faults, answers: count('answers'), failures: count('failures') };
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
    await rig.close();
  }
}
