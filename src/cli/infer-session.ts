import { armDescription, loadKinematics } from '../arms/catalogue.ts';
import type { ArmModel } from '../arms/description.ts';
import type { AggregateName } from '../core/aggregation.ts';
import { ControlState } from '../core/control-state.ts';
import { MyelinError } from '../core/errors.ts';
import type { CameraBinding } from '../inference/camera-set.ts';
import { InferenceNode } from '../inference/inference-node.ts';
import { type KeyAction, keyActions } from '../inference/keys.ts';
import { panelLine, panelLines } from '../inference/panel.ts';
import type { StarvationOptions } from '../inference/starvation.ts';
import { systemClock } from '../platform/clock.ts';
import { distEntry } from '../platform/entry.ts';
import { collectRarely } from '../platform/heap-growth.ts';
import { ManagedProcess } from '../platform/supervisor.ts';
import { adaptedToPi } from '../policies/aloha-space.ts';
import type { Policy } from '../policies/policy.ts';
import { subtaskTemplate } from '../policies/subtask/template.ts';
import { SubtaskTracker } from '../policies/subtask/tracker.ts';
import { ArmSegment } from '../segment/arm-segment.ts';
import { cameraSegmentName, listCameras } from '../segment/camera-ring.ts';
import { WorldSegment } from '../segment/world-segment.ts';
import { chooseCameras } from './camera-choice.ts';
import { fitLine } from './fit-line.ts';
import { type ModelFlags, modelOptions } from './model-flags.ts';
import { type RtcFlags, rtcOptions } from './rtc-flags.ts';

export interface InferOptions extends ModelFlags, RtcFlags {
  readonly checkpoint?: string;
  /** `scripted`, or the address of one on a server. */
  readonly policy?: string;
  readonly numFlowSteps: number;
  readonly inferenceFreq: number;
  readonly cameraId: readonly string[];
  readonly display: boolean;
  readonly dryRun: boolean;
  readonly aggregateFn: AggregateName;
  readonly chunkSizeThreshold: number;
  readonly actionsPerChunk?: number;
  readonly task: string;
  readonly adaptToPi?: boolean;
  readonly subtaskTemplate?: string;
  readonly subtaskRefresh?: number;
  readonly segment: string;
  readonly autostart: boolean;
}

const REDRAW_MS = 100;
const LINE_MS = 5000;
const MAX_SUBTASK_TOKENS = 25;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What another command than `infer` does differently. */
export interface SessionParts {
  /** Opens the policy, in place of `--checkpoint` and `--policy`. */
  readonly openPolicy?: (arm: ArmFacts, say: (text: string) => void) => Promise<Policy>;
  readonly starvation?: StarvationOptions;
  /** Told of the node once it runs; gives more lines for the live panel. */
  readonly watch?: (node: InferenceNode) => () => readonly string[];
}

/** What is known of the arm before the policy is loaded. */
export interface ArmFacts {
  readonly model: ArmModel;
  /** The simulated world the arm is in; undefined for a real arm. */
  readonly world: string | undefined;
}

/** Runs a policy until somebody quits. Returns the exit code. */
export async function runInference(options: InferOptions, parts: SessionParts = {}): Promise<number> {
  const session = new Session(options, parts);
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
  readonly #parts: SessionParts;
  readonly #filming: ManagedProcess[] = [];
  readonly #live: boolean;
  #node: InferenceNode | undefined;
  #world: WorldSegment | undefined;
  #quitting = false;
  #drawn = 0;

  constructor(options: InferOptions, parts: SessionParts) {
    this.#options = options;
    this.#parts = parts;
    this.#live = options.display && process.stdout.isTTY === true;
  }

  quit(): void {
    this.#quitting = true;
  }

  async run(): Promise<number> {
    try {
      const arm = await this.#findArm();
      if (arm === undefined) return 0;
      const opened = await this.#openPolicy(arm);
      const policy = this.#options.adaptToPi ? adaptedToPi(opened) : opened;
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
    const { openPolicy } = this.#parts;
    if (openPolicy !== undefined) return openPolicy(arm, (text) => this.#say(text));
    const { checkpoint } = this.#options;
    // The address of a pool may hold a password.
    this.#say(`loading ${checkpoint ?? this.#options.policy?.replace(/\/\/[^/@]*@/, '//')}`);
    if (checkpoint !== undefined) {
      const { openPolicy } = await import('../policies/open-policy.ts');
      const { subtaskTemplate: template } = this.#options;
      return openPolicy(checkpoint, {
        ...modelOptions(this.#options),
        ...(template === undefined ? {} : { subtaskTemplate: subtaskTemplate(template) }),
        onNote: (text) => this.#say(text),
      });
    }
    const { policy = 'scripted' } = this.#options;
    if (policy !== 'scripted') {
      const { openRemotePolicy } = await import('./remote-policy.ts');
      collectRarely();
      return openRemotePolicy(policy, (text) => this.#say(text));
    }
    const description = armDescription(arm.model);
    const { createScriptedPolicy } = await import('../policies/scripted/scripted-policy.ts');
    return createScriptedPolicy({ description, kinematics: loadKinematics(description) });
  }

  /** Whether the policy may go away on its own. */
  get #remote(): boolean {
    const { policy = 'scripted' } = this.#options;
    return policy !== 'scripted';
  }

  /** Which ring each camera of the policy looks through; starts what has to film first. */
  #bindCameras(policy: Policy, arm: ArmFacts): CameraBinding[] {
    const { chosen, absent } = chooseCameras({
      cameras: policy.spec.cameras,
      given: this.#options.cameraId,
      rings: listCameras().map(({ name }) => name),
      ...(arm.world === undefined ? {} : { simulated: ['external', 'wrist'] }),
    });
    const bindings = chosen.map(({ camera, source }) => ({ camera, ring: this.#ringOf(source) }));
    const filmed = new Set(listCameras().map(({ name }) => name));
    if (this.#options.dryRun && arm.world !== undefined && bindings.some(({ ring }) => !filmed.has(ring))) {
      this.#film(['--source', `world:${arm.world}`]);
    }
    for (const { camera, ring } of bindings)
      this.#say(`camera ${camera} looks through ${cameraSegmentName(ring)}`);
    if (absent.length > 0) {
      this.#say(
        `the policy goes on without ${absent.join(', ')}; to give it a camera: --camera-id ${absent[0]}=N`,
      );
    }
    return bindings;
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
    const subtasks = this.#subtasks(policy);
    const starvation = this.#parts.starvation ?? (this.#remote ? {} : undefined);
    const realTime = rtcOptions(this.#options);
    const node = new InferenceNode({
      policy,
      ...(subtasks === undefined ? {} : { subtasks }),
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
      ...(starvation === undefined ? {} : { starvation }),
      ...(realTime === undefined ? {} : { realTime }),
      onEvent: (text) => this.#say(text),
    });
    this.#node = node;
    const more = this.#parts.watch?.(node) ?? (() => []);
    this.#listenToKeys(node);
    node.start();
    let autostart = this.#options.autostart;
    let lineMs = performance.now();
    while (!this.#quitting) {
      if (autostart && node.status.attached && node.status.controlState === ControlState.IDLE) {
        node.request('START');
        autostart = false;
      }
      if (this.#live) this.#draw(policy.spec.name, node, more());
      else if (performance.now() - lineMs > LINE_MS) {
        lineMs = performance.now();
        this.#say(panelLine(node.status));
      }
      await pause(REDRAW_MS);
    }
    // A safe exit leaves the arm paused, where it is.
    if (node.status.attached && node.status.controlState === ControlState.RUNNING) node.request('PAUSE');
  }

  /** Asks for subtasks when they are wanted. @throws MyelinError INVALID_ARGUMENT when the policy has none to give */
  #subtasks(policy: Policy): SubtaskTracker | undefined {
    const { subtaskTemplate: template, subtaskRefresh: refreshS } = this.#options;
    if (template === undefined) return undefined;
    if (!policy.spec.subtasks) {
      throw new MyelinError('INVALID_ARGUMENT', {
        name: '--subtask-template',
        value: `used with ${policy.spec.name}`,
        allowed: 'used with a policy that answers in words, as pi05',
      });
    }
    return new SubtaskTracker({
      policy,
      options: { maxDecodingSteps: MAX_SUBTASK_TOKENS, temperature: 0 },
      refreshMs: refreshS === undefined ? undefined : refreshS * 1000,
      now: () => performance.now(),
    });
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

  #draw(policy: string, node: InferenceNode, more: readonly string[]): void {
    this.#erase();
    const lines = [...panelLines(policy, node.status), ...more].map((line) => fitLine(line));
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
