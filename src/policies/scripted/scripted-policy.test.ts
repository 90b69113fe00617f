import { describe, expect, it } from 'vitest';
import { armDescription, loadKinematics } from '../../arms/catalogue.ts';
import type { ActionChunk } from '../../core/chunk.ts';
import { motionExtremes } from '../../core/motion/finite-differences.ts';
import { binCentres, placeCubes } from '../../world/scene.ts';
import { createScriptedPolicy } from './scripted-policy.ts';
import { TopDown } from './top-down.ts';

const description = armDescription('X5');
const kinematics = loadKinematics(description);
const bins = binCentres('X5');
const CUBE_HALF_M = 0.02;
const STEPS_A_CHUNK = 20;

/** A table without physics: the arm is where its rows say, a closed gripper holds the cube it closed about. */
class PlainTable {
  readonly policy = createScriptedPolicy({ description, kinematics });
  readonly objects = new Map<string, Float64Array>();
  readonly state = Float64Array.from(description.home);
  readonly rows: Float64Array[] = [];
  readonly released: string[] = [];
  readonly #topDown = new TopDown(kinematics, description);
  step = 0;
  held: string | undefined;
  /** Cubes slip out of the gripper at these steps. */
  slips = new Set<number>();

  constructor(seed: number) {
    for (const { name, xM, yM, yawRad } of placeCubes(seed)) this.put(name, xM, yM, yawRad);
  }

  put(name: string, x: number, y: number, yawRad = 0): void {
    this.objects.set(
      name,
      Float64Array.of(x, y, CUBE_HALF_M, Math.cos(yawRad / 2), 0, 0, Math.sin(yawRad / 2)),
    );
  }

  binOf(name: string): readonly [number, number] {
    return bins.get(name.split('_')[0]!)!;
  }

  isSorted(name: string): boolean {
    const [x, y] = this.binOf(name);
    const [cubeX, cubeY, cubeZ] = this.objects.get(name)!;
    return Math.abs(cubeX! - x) < 0.04 && Math.abs(cubeY! - y) < 0.04 && cubeZ! < 0.03;
  }

  get sorted(): number {
    return [...this.objects.keys()].filter((name) => this.isSorted(name)).length;
  }

  infer(): Promise<ActionChunk> {
    return this.policy.infer({
      timestep: this.step,
      timestampNs: this.step * 33e6 + 5,
      state: this.state.slice(),
      velocity: new Float64Array(7),
      cameras: new Map(),
      task: '',
      objects: new Map([...this.objects].map(([name, pose]) => [name, pose.slice()])),
    });
  }

  /** One inference and the rows until the next. */
  async round(): Promise<ActionChunk> {
    const chunk = await this.infer();
    for (let k = 0; k < STEPS_A_CHUNK; k++) {
      this.#execute(chunk.actions.slice(k * 7, (k + 1) * 7));
      this.step += 1;
    }
    return chunk;
  }

  async run(seconds: number, each?: () => void): Promise<void> {
    for (let k = 0; k < (30 * seconds) / STEPS_A_CHUNK; k++) {
      each?.();
      await this.round();
    }
  }

  #execute(row: Float64Array): void {
    this.rows.push(row);
    this.state.set(row);
    const { position, yawRad } = this.#topDown.placeOf(row);
    const near = [...this.objects].find(
      ([, cube]) =>
        Math.hypot(cube[0]! - position[0], cube[1]! - position[1], cube[2]! - position[2]) < 0.008,
    );
    if (this.held === undefined && near !== undefined && row[6]! < 2 * CUBE_HALF_M) this.held = near[0];
    if (this.held === undefined) return;
    const slipped = this.slips.delete(this.step);
    const cube = this.objects.get(this.held)!;
    if (slipped || row[6]! > 2 * CUBE_HALF_M) {
      if (!slipped) this.released.push(this.held);
      this.put(this.held, cube[0]!, cube[1]!, yawRad);
      this.held = undefined;
      return;
    }
    cube.set([...position, Math.cos(yawRad / 2), 0, 0, Math.sin(yawRad / 2)]);
    this.state[6] = 2 * CUBE_HALF_M;
  }
}

const row = ({ actions }: ActionChunk, k: number): number[] => [...actions.slice(k * 7, (k + 1) * 7)];

describe('the scripted policy', () => {
  it('sorts every cube, goes home and stays there, within half of every limit', async () => {
    const table = new PlainTable(3);
    await table.run(30);
    expect(table.sorted).toBe(3);
    expect(table.released.length).toBe(3);
    expect([...table.state]).toEqual([...description.home]);
    const { positionMin, positionMax, velocityMax, accelerationMax } = description.limits;
    for (let joint = 0; joint < 7; joint++) {
      const limits = { positionMin, positionMax, velocityMax, accelerationMax, jerkMax: velocityMax };
      const positions = table.rows.map((pose) => pose[joint]!);
      const seen = motionExtremes(positions, limits, joint, 1 / 30);
      expect(seen.velocity).toBeLessThan(0.6);
      expect(seen.acceleration).toBeLessThan(0.6);
      expect(seen.outside).toBeLessThanOrEqual(1e-9);
    }
  });

  it('keeps the finger tips off the table', async () => {
    const table = new PlainTable(5);
    const topDown = new TopDown(kinematics, description);
    await table.run(30);
    const lowest = Math.min(...table.rows.map((pose) => topDown.placeOf(pose).position[2]));
    // The tips are 10 mm beyond the tool point.
    expect(lowest).toBeGreaterThan(0.015);
    expect(lowest).toBeLessThan(0.025);
  });

  it('plans on without a jump: what chunks have in common is the same', async () => {
    const table = new PlainTable(4);
    let last = await table.round();
    for (let k = 0; k < 30; k++) {
      const chunk = await table.infer();
      expect(chunk.timestep - last.timestep).toBe(STEPS_A_CHUNK);
      for (let i = 0; i < chunk.rows - STEPS_A_CHUNK; i++) {
        expect(row(chunk, i)).toEqual(row(last, i + STEPS_A_CHUNK));
      }
      last = await table.round();
    }
  });

  it('fetches a cube again that slipped out of its gripper', async () => {
    const table = new PlainTable(6);
    for (let step = 0; step < 300; step += 50) table.slips.add(step);
    await table.run(50);
    expect(table.slips.size).toBeLessThan(6);
    expect(table.sorted).toBe(3);
  });

  it('follows a cube that is moved while it is being approached', async () => {
    const table = new PlainTable(7);
    let moves = 0;
    await table.run(60, () => {
      if (moves >= 8) return;
      moves += 1;
      const cube = [...table.objects.keys()].find((name) => name !== table.held && !table.isSorted(name));
      if (cube !== undefined) table.put(cube, 0.3, -0.1 + 0.02 * (moves % 4), 0.2 * moves);
    });
    expect(table.sorted).toBe(3);
  });

  it('leaves alone what is sorted, by whomever', async () => {
    const table = new PlainTable(8);
    for (const name of table.objects.keys()) table.put(name, ...table.binOf(name));
    await table.run(3);
    expect(table.released).toEqual([]);
    expect([...table.state]).toEqual([...description.home]);
  });

  it('starts again when a sorted cube comes back to the table', async () => {
    const table = new PlainTable(8);
    for (const name of table.objects.keys()) table.put(name, ...table.binOf(name));
    await table.run(3);
    table.put('green_cube', 0.3, -0.05, 0.3);
    await table.run(12);
    expect(table.released).toEqual(['green_cube']);
    expect(table.sorted).toBe(3);
  });

  it('skips what is out of reach and sorts the rest', async () => {
    const table = new PlainTable(9);
    table.put('blue_cube', 0.7, 0.1);
    await table.run(25);
    expect(table.released.sort()).toEqual(['green_cube', 'red_cube']);
    expect([...table.state]).toEqual([...description.home]);
  });

  it('carries on with what it holds after it was told to forget', async () => {
    const table = new PlainTable(10);
    while (table.held === undefined) await table.round();
    await table.round();
    const { held } = table;
    table.policy.reset();
    await table.run(6);
    expect(table.released[0]).toBe(held);
    expect(table.isSorted(held!)).toBe(true);
  });

  it('starts from where the arm is when that is not where it should be', async () => {
    const table = new PlainTable(11);
    await table.run(2);
    table.state[0]! -= 0.5;
    table.state[1]! -= 0.3;
    const chunk = await table.infer();
    expect(row(chunk, 0).slice(0, 6)).toEqual([...table.state.slice(0, 6)]);
    await table.run(30);
    expect(table.sorted).toBe(3);
  });

  it('says what it needs when it is told no objects', async () => {
    const { policy } = new PlainTable(1);
    const observation = {
      timestep: 0,
      timestampNs: 0,
      state: Float64Array.from(description.home),
      velocity: new Float64Array(7),
      cameras: new Map(),
      task: '',
    };
    await expect(policy.infer(observation)).rejects.toThrow('poses of objects');
  });
});
