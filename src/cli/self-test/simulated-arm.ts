import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ActionChunk } from '../../core/chunk.ts';
import { type ControlStateName, Request, stateName } from '../../core/control-state.ts';
import { monotonicNs, systemClock } from '../../platform/clock.ts';
import { distEntry } from '../../platform/entry.ts';
import { ArmSegment, type ArmSnapshot, createArmSnapshot } from '../../segment/arm-segment.ts';
import { ChunkWriter } from '../../segment/chunk-exchange.ts';
import { Lease } from '../../segment/lease.ts';
import { WorldClient } from '../../world/world-client.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export interface SimulatedArmOptions {
  /** Of the world and of the segment. Default: one that nobody else uses. */
  readonly name?: string;
  /** More options for `myelin control`. */
  readonly control?: readonly string[];
  readonly world?: readonly string[];
}

interface Child {
  readonly process: ChildProcess;
  readonly exited: Promise<number | NodeJS.Signals>;
  output: string;
}

let counter = 0;

/**
 * A real world and a real control process on it, under names nobody else uses, with every tick traced: what
 * self-tests and fault tests break. `close()` leaves nothing behind.
 */
export class SimulatedArm {
  readonly name: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'myelin-'));
  readonly tracePath = join(this.#folder, 'trace.bin');
  readonly #options: SimulatedArmOptions;
  readonly #snapshot = createArmSnapshot();
  #children: Child[] = [];
  #world: Child | undefined;
  #control: Child | undefined;
  #segment: ArmSegment | undefined;
  #lease: Lease | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #writer: ChunkWriter | undefined;

  private constructor(options: SimulatedArmOptions) {
    this.#options = options;
    this.name = options.name ?? `selftest_${process.pid}_${++counter}`;
  }

  /** Resolves when the arm holds in IDLE. */
  static async start(options: SimulatedArmOptions = {}): Promise<SimulatedArm> {
    const arm = new SimulatedArm(options);
    try {
      arm.#world = arm.#spawn(['world', '--name', arm.name, ...(options.world ?? [])]);
      await arm.until('the world answers', () => {
        try {
          WorldClient.connect(arm.name).close();
          return true;
        } catch {
          return false;
        }
      });
      await arm.startControl();
      return arm;
    } catch (thrown) {
      await arm.close();
      throw thrown;
    }
  }

  /** (Re)starts the control process and waits until it is IDLE. */
  async startControl(): Promise<void> {
    this.#segment?.close();
    this.#segment = undefined;
    this.#control = this.#spawn([
      'control',
      ...['--interface', `world:${this.name}`, '--segment', this.name, '--trace', this.tracePath],
      ...(this.#options.control ?? []),
    ]);
    await this.until('the control process is IDLE', () => {
      try {
        this.#segment ??= ArmSegment.open(this.name);
      } catch {
        return false;
      }
      return this.state() === 'IDLE';
    });
  }

  get segment(): ArmSegment {
    if (this.#segment === undefined) throw new Error('the control process is not up');
    return this.#segment;
  }

  get guardianPid(): number {
    return this.#control?.process.pid ?? -1;
  }

  get loopPid(): number {
    return this.segment.fields.controlPid;
  }

  get worldPid(): number {
    return this.#world?.process.pid ?? -1;
  }

  /** Exit code or signal of the control process's guardian. */
  get controlExit(): Promise<number | NodeJS.Signals> {
    return this.#control?.exited ?? Promise.resolve(-1);
  }

  get controlOutput(): string {
    return this.#control?.output ?? '';
  }

  /** The last tick's state, whole. */
  read(): ArmSnapshot {
    this.segment.readState(this.#snapshot);
    return this.#snapshot;
  }

  state(): ControlStateName {
    return stateName(this.segment.fields.controlState) as ControlStateName;
  }

  request(request: keyof typeof Request): void {
    this.segment.request(Request[request]);
  }

  /** Takes the lease and keeps it alive with heartbeats. */
  command(): void {
    this.#lease = Lease.acquire(this.segment, 'self-test', monotonicNs());
    this.#writer = new ChunkWriter(this.segment);
    this.beat();
    this.#heartbeat = setInterval(() => this.beat(), 20);
  }

  beat(): void {
    this.#lease?.heartbeat(monotonicNs(), systemClock.unixS());
  }

  /** Stops the heartbeats without giving the lease back, like a commander that froze. */
  fallSilent(): void {
    clearInterval(this.#heartbeat);
  }

  /** Publishes rows that all ask for the same pose, starting now. Returns the chunk's sequence number. */
  send(
    pose: ArrayLike<number>,
    rows = 30,
    overrides: Partial<ActionChunk> & { startNs?: number } = {},
  ): number {
    const dof = pose.length;
    const actions = new Float64Array(rows * dof);
    for (let row = 0; row < rows; row++) actions.set(Array.from(pose), row * dof);
    const nowNs = monotonicNs();
    const { startNs = nowNs, ...chunk } = overrides;
    this.#writer ??= new ChunkWriter(this.segment);
    return this.#writer.publish(
      { actions, rows, dof, stepPeriodS: 1 / 30, timestep: 0, observedNs: nowNs, ...chunk },
      startNs,
    );
  }

  /** The measured pose, with some joints moved by what `delta` says. */
  poseNear(delta: Readonly<Record<number, number>>): number[] {
    const { dof, position } = this.segment.fields;
    return Array.from(position.subarray(0, dof), (value, joint) => value + (delta[joint] ?? 0));
  }

  world(): WorldClient {
    return WorldClient.connect(this.name);
  }

  async untilState(state: ControlStateName, timeoutMs = 10_000): Promise<void> {
    await this.until(`the state is ${state}`, () => this.state() === state, timeoutMs);
  }

  async until(what: string, condition: () => boolean, timeoutMs = 45_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!condition()) {
      if (performance.now() > deadline) {
        const state = this.#segment === undefined ? 'absent' : this.state();
        throw new Error(
          `waited ${timeoutMs} ms in vain until ${what} (state ${state})\n${this.controlOutput}`,
        );
      }
      await pause(2);
    }
  }

  /** Stops everything and removes the trace. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    if (this.#segment?.ownerAlive) this.#lease?.release();
    this.#segment?.close();
    this.#segment = undefined;
    // The control process first, while its world still answers.
    for (const child of this.#children.reverse()) {
      if (child.process.exitCode !== null || child.process.signalCode !== null) continue;
      child.process.kill('SIGCONT');
      child.process.kill('SIGTERM');
      const force = setTimeout(() => child.process.kill('SIGKILL'), 8000);
      await child.exited;
      clearTimeout(force);
    }
    this.#children = [];
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(args: readonly string[]): Child {
    const child = spawn(process.execPath, [distEntry('cli/main.js'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, NO_COLOR: '1' },
    });
    const exited = new Promise<number | NodeJS.Signals>((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? code ?? -1));
    });
    const started: Child = { process: child, exited, output: '' };
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        started.output += text;
      });
    }
    this.#children.push(started);
    return started;
  }
}
