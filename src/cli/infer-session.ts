import { availableParallelism } from 'node:os';
import { armDescription, loadKinematics } from '../arms/catalogue.ts';
import type { ArmModel } from '../arms/description.ts';
import type { AggregateName } from '../core/aggregation.ts';
import { ControlState } from '../core/control-state.ts';
import { MyelinError } from '../core/errors.ts';
import type { CameraBinding } from '../inference/camera-set.ts';
import { InferenceNode } from '../inference/inference-node.ts';
import { type KeyAction, keyActions } from '../inference/keys.ts';
import { panelLine, panelLines } from '../inference/panel.ts';
import { systemClock } from '../platform/clock.ts';
import { distEntry } from '../platform/entry.ts';
import { ManagedProcess } from '../platform/supervisor.ts';
import type { Policy } from '../policies/policy.ts';
import { ArmSegment } from '../segment/arm-segment.ts';
import { cameraSegmentName, listCameras } from '../segment/camera-ring.ts';
import { WorldSegment } from '../segment/world-segment.ts';

export interface InferOptions {
  readonly checkpoint?: string;
  readonly policy?: 'scripted';
  readonly numFlowSteps: number;
  readonly inferenceFreq: number;
  readonly cameraId: readonly string[];
  readonly display: boolean;
  readonly dryRun: boolean;
  readonly aggregateFn: AggregateName;
  readonly chunkSizeThreshold: number;
  readonly actionsPerChunk?: number;
  readonly task: string;
  readonly segment: string;
  readonly threads?: number;
  readonly autostart: boolean;
}

const REDRAW_MS = 100;
const LINE_MS = 5000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What is known of the arm before the policy is loaded. */
interface ArmFacts {
  readonly model: ArmModel;
  /** The simulated world the arm is in; undefined for a real arm. */
  readonly world: string | undefined;
}

/** Runs a policy until somebody quits. Returns the exit code. */
export async function runInference(options: InferOptions): Promise<number> {
  const session = new Session(options);
  const quit = () => session.quit();
  // Closing the terminal window is a way to quit too.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, quit);
  try {
    return await session.run();
  } finally {
    for (const signal of signals) process.off(signal, quit);
  }
}

class Session {
  readonly #options: InferOptions;
  readonly #filming: ManagedProcess[] = [];
  readonly #live: boolean;
  #node: InferenceNode | undefined;
  #world: WorldSegment | undefined;
  #quitting = false;
  #drawn = 0;

  constructor(options: InferOptions) {
    this.#options = options;
    this.#live = options.display && process.stdout.isTTY === true;
  }

  quit(): void {
    this.#quitting = true;
  }

  async run(): Promise<number> {
    try {
      const arm = await this.#findArm();
      if (arm === undefined) return 0;
      this.#say(`loading ${this.#options.checkpoint ?? this.#options.policy}`);
      const policy = await this.#openPolicy(arm);
      const cameras = this.#bindCameras(policy, arm);
      await this.#drive(policy, cameras, arm);
      return 0;
    } finally {
      this.#restoreTerminal();
      await this.#node?.close();
      await Promise.all(this.#filming.map((camera) => camera.close()));
      this.#world?.close();
    }
  }

  /** Waits for the control process; what kind of arm it owns decides the rest. */
  async #findArm(): Promise<ArmFacts | undefined> {
    let told = false;
    while (!this.#quitting) {
      try {
        const segment = ArmSegment.open(this.#options.segment, { readOnly: true });
        const { model, interfaceName } = segment.fields;
        const alive = segment.ownerAlive;
        segment.close();
        if (alive) return this.#facts(model as ArmModel, interfaceName);
      } catch (thrown) {
        if (!(thrown instanceof MyelinError && thrown.code === 'SEGMENT_MISSING')) throw thrown;
      }
      if (!told) this.#say(`waiting for a control process on segment "${this.#options.segment}"`);
      told = true;
      await pause(50);
    }
    return undefined;
  }

  #facts(model: ArmModel, interfaceName: string): ArmFacts {
    const world = interfaceName.startsWith('world:') ? interfaceName.slice('world:'.length) : undefined;
    if (this.#options.dryRun && world === undefined) {
      throw new MyelinError('INVALID_ARGUMENT', {
        name: '--dry-run',
        value: `used on a real arm (${model} on ${interfaceName})`,
        allowed: 'used with a simulated one: myelin control --dry-run',
      });
    }
    return { model, world };
  }

  async #openPolicy(arm: ArmFacts): Promise<Policy> {
    const { checkpoint, threads = Math.max(1, availableParallelism() - 1) } = this.#options;
    if (checkpoint !== undefined) {
      const { openPolicy } = await import('../policies/open-policy.ts');
      return openPolicy(checkpoint, { threads });
    }
    const description = armDescription(arm.model);
    const { createScriptedPolicy } = await import('../policies/scripted/scripted-policy.ts');
    return createScriptedPolicy({ description, kinematics: loadKinematics(description) });
  }

  /** Which ring each camera of the policy looks through; starts what has to film first. */
  #bindCameras(policy: Policy, arm: ArmFacts): CameraBinding[] {
    const wanted = policy.spec.cameras.map(({ name }) => name);
    const given = this.#options.cameraId.map((text) => text.split('='));
    const bindings = wanted.map((camera, index) => {
      const named = given.find(([name, source]) => source !== undefined && name === camera)?.[1];
      const source = named ?? given[index]?.[0];
      return {
        camera,
        ring: source === undefined ? this.#defaultRing(camera, index, arm) : this.#ringOf(source),
      };
    });
    const filmed = new Set(listCameras().map(({ name }) => name));
    if (this.#options.dryRun && arm.world !== undefined && bindings.some(({ ring }) => !filmed.has(ring))) {
      this.#film(['--source', `world:${arm.world}`]);
    }
    for (const { camera, ring } of bindings)
      this.#say(`camera ${camera} looks through ${cameraSegmentName(ring)}`);
    return bindings;
  }

  /** A ring of the policy's own name, by whole name or its last part; else the rings in their order; else device 0. */
  #defaultRing(camera: string, index: number, arm: ArmFacts): string {
    const rings = listCameras().map(({ name }) => name);
    const short = camera.split('.').at(-1) ?? camera;
    const own = rings.find((ring) => ring === camera || ring === short);
    if (own !== undefined) return own;
    const world = arm.world === undefined ? undefined : ['external', 'wrist'][index];
    return rings[index] ?? world ?? this.#ringOf(String(index));
  }

  #ringOf(source: string): string {
    if (!/^\d+$/.test(source)) return source;
    const ring = `video${source}`;
    if (!listCameras().some(({ name }) => name === ring)) {
      this.#film(['--source', `/dev/video${source}`, '--camera', ring]);
    }
    return ring;
  }

  #film(args: readonly string[]): void {
    const camera = new ManagedProcess({
      name: 'camera',
      command: () => [process.execPath, distEntry('cli/main.js'), 'camera', ...args],
      onLine: (name, line) => this.#say(`${name}: ${line}`),
      onEvent: (name, text) => this.#say(`${name} ${text}`),
    });
    camera.start();
    this.#filming.push(camera);
  }

  async #drive(policy: Policy, cameras: readonly CameraBinding[], arm: ArmFacts): Promise<void> {
    const { inferenceFreq, aggregateFn, chunkSizeThreshold, actionsPerChunk, task, segment, numFlowSteps } =
      this.#options;
    const node = new InferenceNode({
      policy,
      segment,
      cameras,
      clock: systemClock,
      objects: () => this.#objects(arm),
      inferenceHz: inferenceFreq,
      aggregateName: aggregateFn,
      chunkSizeThreshold,
      ...(actionsPerChunk === undefined ? {} : { actionsPerChunk }),
      flowSteps: numFlowSteps,
      task,
      onEvent: (text) => this.#say(text),
    });
    this.#node = node;
    this.#listenToKeys(node);
    node.start();
    let autostart = this.#options.autostart;
    let lineMs = performance.now();
    while (!this.#quitting) {
      if (autostart && node.status.attached && node.status.controlState === ControlState.IDLE) {
        node.request('START');
        autostart = false;
      }
      if (this.#live) this.#draw(policy.spec.name, node);
      else if (performance.now() - lineMs > LINE_MS) {
        lineMs = performance.now();
        this.#say(panelLine(node.status));
      }
      await pause(REDRAW_MS);
    }
    // A safe exit leaves the arm paused, where it is.
    if (node.status.attached && node.status.controlState === ControlState.RUNNING) node.request('PAUSE');
  }

  /** Object poses of the arm's world, found again when the world was restarted. */
  #objects(arm: ArmFacts): ReadonlyMap<string, Float64Array> | undefined {
    if (arm.world === undefined) return undefined;
    if (this.#world !== undefined && !(this.#world.ownerAlive && this.#world.current)) {
      this.#world.close();
      this.#world = undefined;
    }
    try {
      this.#world ??= WorldSegment.open(arm.world);
      return this.#world.readObjects();
    } catch {
      return undefined; // No world just now; the control process says so too.
    }
  }

  #listenToKeys(node: InferenceNode): void {
    if (process.stdin.isTTY !== true) return;
    process.stdin.setRawMode(true);
    process.stdin.setEncoding('utf8');
    process.stdin.on('data', (input: string) => {
      for (const action of keyActions(input)) this.#press(action, node);
    });
    for (const gone of ['end', 'error']) process.stdin.on(gone, () => this.quit());
    process.stdin.resume();
  }

  #press(action: KeyAction, node: InferenceNode): void {
    if (action === 'toggle') node.toggle();
    if (action === 'reset') node.request('RESET');
    if (action === 'stop') node.request('STOP');
    if (action === 'stop' || action === 'quit') this.quit();
  }

  #draw(policy: string, node: InferenceNode): void {
    this.#erase();
    const width = process.stdout.columns ?? 80;
    const lines = panelLines(policy, node.status).map((line) => line.slice(0, width - 1));
    process.stdout.write(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  #erase(): void {
    if (this.#drawn > 0) process.stdout.write(`\x1b[${this.#drawn}A\x1b[J`);
    this.#drawn = 0;
  }

  #say(text: string): void {
    this.#erase();
    process.stdout.write(`${text}\n`);
  }

  #restoreTerminal(): void {
    if (process.stdin.isTTY !== true) return;
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }
}
