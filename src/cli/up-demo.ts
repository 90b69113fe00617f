import { styleText } from 'node:util';
import { ControlState, Request, stateName } from '../core/control-state.ts';
import { type KeyAction, keyActions } from '../inference/keys.ts';
import { distEntry } from '../platform/entry.ts';
import { outputIsKept } from '../platform/service-manager.ts';
import { ManagedProcess } from '../platform/supervisor.ts';
import { ArmSegment, type ArmSnapshot, createArmSnapshot } from '../segment/arm-segment.ts';
import { WorldSegment } from '../segment/world-segment.ts';
import { WorldClient } from '../world/world-client.ts';
import { fitLine } from './fit-line.ts';

export interface UpOptions {
  readonly headless: boolean;
  readonly port: number;
  readonly storage: string;
  readonly arm: string;
  readonly seed: number;
  readonly segment: string;
  readonly world: string;
  readonly cameraPrefix: string;
  readonly checkpoint?: string;
  readonly autostart: boolean;
  readonly verbose: boolean;
}

const STATUS_PERIOD_MS = 250;
/** Seconds the finished scene stays before the cubes are laid out anew. */
const ADMIRE_S = 4;

type Role = 'world' | 'control' | 'camera' | 'infer' | 'gateway';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const firstTokenText = (url: string): string =>
  outputIsKept()
    ? 'a token is not shown where output is kept; make one: myelin token create NAME --right admin'
    : `with every right, for you alone, shown once: ${url}`;

/**
 * The whole system in one terminal: five children, started in order, kept alive, and stopped in order. The
 * control process is the one exception: after a deliberate stop it stays down until somebody presses Reset.
 * Returns the exit code.
 */
export async function runDemo(options: UpOptions): Promise<number> {
  const demo = new Demo(options);
  const ask = () => void demo.close();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, ask);
  const input = process.stdin.isTTY === true ? process.stdin : undefined;
  input?.setRawMode(true);
  input?.setEncoding('utf8').on('data', (text: string) => {
    for (const action of keyActions(text)) demo.key(action);
  });
  try {
    return await demo.run();
  } finally {
    input?.setRawMode(false);
    input?.pause();
    for (const signal of signals) process.off(signal, ask);
  }
}

class Demo {
  readonly #options: UpOptions;
  readonly #children = new Map<Role, ManagedProcess>();
  readonly #snapshot: ArmSnapshot = createArmSnapshot();
  readonly #startedMs = performance.now();
  #arm: ArmSegment | undefined;
  #world: WorldSegment | undefined;
  #sawMotion = false;
  #sortedSinceS: number | undefined;
  #seed: number;
  #exitCode = 0;
  #closing: Promise<void> | undefined;
  #pageUrl = '';

  constructor(options: UpOptions) {
    this.#options = options;
    this.#seed = options.seed;
    const { arm, seed, segment, world, port, storage, checkpoint, headless, cameraPrefix } = options;
    const policy = checkpoint === undefined ? ['--policy', 'scripted'] : ['--checkpoint', checkpoint];
    this.#add('world', () => ['world', '--name', world, '--arm', arm, '--seed', String(seed)]);
    this.#add('control', () => [
      'control',
      '--model',
      arm,
      '--interface',
      `world:${world}`,
      '--segment',
      segment,
      // Simulated metal stalls with a busy machine; real metal does not.
      '--feedback-timeout',
      '0.5',
    ]);
    this.#add('camera', () => [
      'camera',
      ...['--source', `world:${world}`],
      ...['external', 'wrist'].flatMap((name) => ['--camera', `${name}=${cameraPrefix}${name}`]),
    ]);
    this.#add('infer', () => ['infer', ...policy, '--segment', segment, '--no-display']);
    if (!headless) {
      this.#add('gateway', () => [
        'gateway',
        ...['--segment', segment, '--world', world, '--storage', storage],
        // The page opens by itself; whoever else is on this machine may drive the simulated arm too.
        ...['--port', String(port), '--next-free-port', '--local', 'operate'],
      ]);
    }
  }

  async run(): Promise<number> {
    this.#say(
      'myelin',
      'starting world, control, cameras and policy. Space start/pause, R reset, Esc STOP, Q quit',
    );
    this.#child('world').start();
    await this.#until(() => this.#openWorld());
    for (const role of ['control', 'camera', 'infer', 'gateway'] as const) this.#children.get(role)?.start();
    if (this.#options.autostart) await this.#until(() => this.#startMotion());
    while (this.#closing === undefined) {
      this.#look();
      await pause(STATUS_PERIOD_MS);
    }
    await this.#closing;
    return this.#exitCode;
  }

  /** The same keys as in `myelin infer`. */
  key(action: KeyAction): void {
    const running = this.#arm?.fields.controlState === ControlState.RUNNING;
    if (action === 'toggle') this.#arm?.request(running ? Request.PAUSE : Request.START);
    if (action === 'stop') this.#arm?.request(Request.STOP);
    if (action === 'quit') void this.close();
    if (action === 'reset') {
      if (this.#child('control').running) this.#arm?.request(Request.RESET);
      else this.#requested('reset');
    }
  }

  /** Stops everything, the arm first so that it comes to rest while its world is still there. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#say('myelin', 'stopping');
      await this.#children.get('infer')?.close();
      await this.#children.get('control')?.close(10_000);
      await Promise.all(['gateway', 'camera'].map((role) => this.#children.get(role as Role)?.close()));
      await this.#children.get('world')?.close();
      this.#arm?.close();
      this.#world?.close();
    })();
    return this.#closing;
  }

  #child(role: Role): ManagedProcess {
    const child = this.#children.get(role);
    if (child === undefined) throw new RangeError(`no process for ${role}`);
    return child;
  }

  #add(role: Role, args: () => string[]): void {
    this.#children.set(
      role,
      new ManagedProcess({
        name: role,
        command: () => [process.execPath, distEntry('cli/main.js'), ...args()],
        onLine: (name, line) => this.#line(name, line),
        onEvent: (name, text) => this.#tell(name, text),
        onMessage: (message) => this.#message(message),
        shouldRestart: (code, signal) => this.#shouldRestart(role, code, signal),
      }),
    );
  }

  /** Wrong options never get better by trying again; a deliberate stop waits for a person. */
  #shouldRestart(role: Role, code: number | null, signal: NodeJS.Signals | null): boolean {
    if (code === 2) {
      this.#exitCode = 2;
      void this.close();
      return false;
    }
    if (role === 'control' && code === 0 && signal === null) {
      this.#tell(
        'control',
        'stopped and damped the arm. Reset (R here, or on the page) powers it again; it will not move before Start.',
      );
      return false;
    }
    return true;
  }

  #message(message: unknown): void {
    if (typeof message !== 'object' || message === null || !('kind' in message)) return;
    if (message.kind === 'ready' && 'url' in message) {
      this.#pageUrl = String(message.url);
      this.#say('gateway', styleText('bold', this.#pageUrl));
    }
    if (message.kind === 'first-token' && 'url' in message)
      this.#say('gateway', firstTokenText(String(message.url)));
    if (message.kind === 'control' && 'request' in message) this.#requested(String(message.request));
  }

  /** Requests that need more than a bit in the segment. */
  #requested(request: string): void {
    if (request === 'quit') void this.close();
    if (request === 'reset' && !this.#child('control').running) {
      this.#tell('control', 'starting again, as asked');
      this.#child('control').start();
    }
  }

  #openWorld(): boolean {
    try {
      this.#world = WorldSegment.open(this.#options.world);
      return true;
    } catch {
      return false; // Not there yet; `until` asks again.
    }
  }

  /** Once, at the very start: after a fault or a stop only a person starts motion. */
  #startMotion(): boolean {
    const state = this.#readArm();
    if (state === undefined || this.#arm === undefined || this.#arm.fields.leaseOwner === 0) return false;
    if (state.controlState === ControlState.IDLE) this.#arm.request(Request.START);
    return state.controlState === ControlState.RUNNING;
  }

  /** The arm's state, or undefined while no control process is there. Follows restarts. */
  #readArm(): ArmSnapshot | undefined {
    try {
      if (this.#arm !== undefined && !(this.#arm.ownerAlive && this.#arm.current)) {
        this.#arm.close();
        this.#arm = undefined;
      }
      this.#arm ??= ArmSegment.open(this.#options.segment);
      return this.#arm.readState(this.#snapshot) ? this.#snapshot : undefined;
    } catch {
      return undefined; // The control process is not up (yet); its own log says why.
    }
  }

  #look(): void {
    const arm = this.#readArm();
    const world = this.#world?.fields;
    if (arm?.controlState === ControlState.RUNNING && !this.#sawMotion) {
      this.#sawMotion = true;
      this.#say('myelin', `the arm moves, ${this.#seconds()} s after the start`);
    }
    if (world !== undefined) this.#layOutAnew(world.sorted, world.objectCount);
    this.#status(arm, world?.sorted ?? 0, world?.objectCount ?? 0);
  }

  #layOutAnew(sorted: number, objects: number): void {
    if (objects === 0 || sorted < objects) {
      this.#sortedSinceS = undefined;
      return;
    }
    const nowS = performance.now() / 1000;
    this.#sortedSinceS ??= nowS;
    if (nowS - this.#sortedSinceS < ADMIRE_S) return;
    this.#sortedSinceS = undefined;
    this.#seed += 1;
    this.#tell('world', `all ${objects} cubes are sorted; laying them out anew (seed ${this.#seed})`);
    try {
      const client = WorldClient.connect(this.#options.world);
      client.reset(this.#seed);
      client.close();
    } catch (thrown) {
      this.#tell('world', `could not be reset: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    }
  }

  #lastStatusMs = 0;

  #status(arm: ArmSnapshot | undefined, sorted: number, objects: number): void {
    const nowMs = performance.now();
    const live = process.stdout.isTTY;
    if (!live && (!this.#options.headless || nowMs - this.#lastStatusMs < 1000)) return;
    this.#lastStatusMs = nowMs;
    const fields = this.#arm?.fields;
    const parts =
      arm === undefined || fields === undefined
        ? ['no control process']
        : [
            stateName(arm.controlState),
            `${Math.round(fields.controlFrequencyHz)} Hz, ${fields.missed} missed`,
            `queue ${Math.round(fields.queueDepth)}/${Math.round(fields.queueCapacity)}`,
            `inference ${fields.inferenceMs.toFixed(0)} ms`,
            `frames ${fields.frameAgeMs.toFixed(0)} ms old`,
          ];
    const line = `${this.#seconds()} s  ${[...parts, `sorted ${sorted}/${objects}`].join(' | ')}`;
    process.stdout.write(live ? `\r\x1b[K${fitLine(line)}` : `${line}\n`);
  }

  /** The control process tells a lot at its start; here only what happens is shown. `--verbose` shows everything. */
  #line(name: string, line: string): void {
    const matters =
      name === 'control' ? /warning|alarm|hint|->|holds|moves again/ : /error|fail|hint|refus|warn/i;
    if (this.#options.verbose || matters.test(line)) this.#say(name, line.replace(/^[\d:.]+ (info +)?/, ''));
  }

  /** Says it here and on the page. */
  #tell(name: string, text: string): void {
    this.#say(name, styleText('yellow', text));
    this.#children.get('gateway')?.send({ kind: 'event', process: name, text });
  }

  #say(name: string, text: string): void {
    if (process.stdout.isTTY) process.stdout.write('\r\x1b[K');
    process.stdout.write(`${styleText('dim', `${this.#seconds().padStart(6)} ${name.padEnd(8)}`)} ${text}\n`);
  }

  #seconds(): string {
    return ((performance.now() - this.#startedMs) / 1000).toFixed(1);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (this.#closing === undefined && !condition()) await pause(20);
  }
}
