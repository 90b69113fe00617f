import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { proveMotion } from '../../src/cli/self-test/motion-faults.ts';
import { SimulatedArm } from '../../src/cli/self-test/simulated-arm.ts';
import { unixS } from '../../src/platform/clock.ts';
import { TokenStore } from '../../src/remote/auth/token-store.ts';
import { loadConfig } from '../../src/remote/config/load-config.ts';
import { type SystemPaths, systemPaths } from '../../src/remote/config/paths.ts';
import { seededRandom } from '../../src/world/random.ts';
import { temporaryFolder } from './gateway-run.ts';
import { freePorts } from './networked-arm.ts';
import { childrenOf, commandOf, folderOf, processes } from './process-table.ts';
import { myelin, type Started, sharedMemoryWith, until } from './processes.ts';
import { SocketIoLoad, STAMPED_FILES, stampedProject, UploadLoad, WebSocketLoad } from './remote-load.ts';

export const VICTIMS = ['gateway', 'worker', 'project'] as const;
export type Victim = (typeof VICTIMS)[number];

const PROJECT = 'waving';
/** It moves the arm in the background while it lives, and echoes. */
const MAIN = `import math, threading, time
import myelin

def echo(value):
    return value

def wave():
    while True:
        try:
            with myelin.connect() as arm:
                arm.take_lease("waving")
                rest = list(arm.read().commanded_position)
                began = time.monotonic()
                while True:
                    if arm.read().state in ("IDLE", "PAUSED"):
                        arm.start()
                    now = time.monotonic() - began
                    rows = [[rest[0] + 0.3 * math.sin(2 * (now + i / 20))] + rest[1:] for i in range(10)]
                    arm.send(rows, step_period_s=0.05)
                    time.sleep(0.1)
        except Exception as error:
            print(error)
            time.sleep(0.1)

threading.Thread(target=wave, daemon=True).start()
`;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export interface KillReport {
  readonly kills: Readonly<Record<Victim, number>>;
  /** Where a promise was broken, in sentences. */
  readonly faults: readonly string[];
  readonly ticks: number;
  /** How often the simulated motors fell silent, the machine being too busy to run them, and control was started anew. */
  readonly starved: number;
  readonly loads: Readonly<Record<string, { answered: number; refused: number; reasons: object }>>;
  /** How long the system took until both protocols were answered again, ms, sorted. */
  readonly recoveryMs: readonly number[];
}

/**
 * Gateway, worker and project child are killed (-9) at drawn moments while two clients call, one uploads and the
 * project moves a simulated arm. Every request must be answered or fail with a reason, nothing may stay behind, and
 * no limit of the arm be broken.
 */
export async function killUnderLoad(kills: number, seed: number): Promise<KillReport> {
  const rig = await KillRig.start(seed);
  try {
    for (let round = 0; round < kills; round++) await rig.round(round);
    return await rig.end();
  } finally {
    await rig.close();
  }
}

class KillRig {
  readonly #arm: SimulatedArm;
  readonly #storage = temporaryFolder();
  readonly #paths: SystemPaths;
  readonly #random: () => number;
  readonly #faults: string[] = [];
  readonly #kills: Record<Victim, number> = { gateway: 0, worker: 0, project: 0 };
  readonly #recoveryMs: number[] = [];
  #order: { round: number; victims: readonly Victim[] } = { round: -1, victims: [] };
  #ticks = 0;
  #starved = 0;
  #port = 0;
  #token = '';
  #gateway: Started | undefined;
  #loads: { socketIo: SocketIoLoad; webSocket: WebSocketLoad; uploads: UploadLoad } | undefined;

  private constructor(arm: SimulatedArm, seed: number) {
    this.#arm = arm;
    this.#random = seededRandom(seed);
    this.#paths = systemPaths(loadConfig({ file: '/dev/null', flags: { storage: this.#storage } }));
  }

  static async start(seed: number): Promise<KillRig> {
    // Simulated metal stalls with a busy machine, which is not the fault that is meant.
    const arm = await SimulatedArm.start({ control: ['--feedback-timeout', '0.5', '--trace-length', '120'] });
    const rig = new KillRig(arm, seed);
    try {
      await rig.#begin();
      return rig;
    } catch (thrown) {
      await rig.close();
      throw thrown;
    }
  }

  async round(round: number): Promise<void> {
    const victim = this.#victim(round);
    // Both protocols are the operator's in turn; the other one hears who is.
    if (this.#random() < 0.5) await this.#loads?.webSocket.operate();
    else await this.#loads?.socketIo.operate();
    await pause(this.#random() * 600);
    const family = this.#family();
    const pid = family[victim];
    if (pid === undefined) return await this.round(round); // It is being started at this moment.
    this.#kills[victim] += 1;
    const killedMs = performance.now();
    process.kill(pid, 'SIGKILL');
    if (victim === 'gateway') {
      await this.#gateway?.exited;
      // Half the time its successor comes before what it left has noticed.
      if (this.#random() < 0.5) await this.#nothingLeft(round, Object.values(family));
      await this.#startGateway();
    }
    await this.#answers(round, victim);
    this.#recoveryMs.push(performance.now() - killedMs);
    const orphans =
      victim === 'project'
        ? [pid]
        : victim === 'worker'
          ? [family.worker, family.project]
          : Object.values(family);
    await this.#gone(`${victim} was killed in round ${round}`, orphans);
    this.#checkCurrent(round);
    await this.#checkArm(round);
  }

  /** Every three rounds each of them once, in an order that is drawn. */
  #victim(round: number): Victim {
    if (round % VICTIMS.length === 0 && this.#order.round !== round) {
      const left = [...VICTIMS];
      const drawn = () => left.splice(Math.floor(this.#random() * left.length), 1);
      this.#order = { round, victims: [...drawn(), ...drawn(), ...drawn()] };
    }
    return this.#order.victims[round % VICTIMS.length] ?? 'worker';
  }

  /** Ends it as a person would, and looks for what stayed behind. */
  async end(): Promise<KillReport> {
    const loads = this.#loads;
    if (loads === undefined) throw new Error('it has not begun');
    await this.#checkArm(-1);
    await this.#noted(
      () => `the arm does not move at the end: it is ${this.#arm.state()}`,
      () => this.#moves(),
    );
    await Promise.all(Object.values(loads).map((load) => load.stop()));
    const family = this.#family();
    this.#gateway?.child.kill('SIGTERM');
    const code = await this.#gateway?.exited;
    if (code !== 0) this.#faults.push(`the gateway ended with ${code}`);
    await this.#nothingLeft(-1, Object.values(family));
    const uploads = readdirSync(this.#paths.uploads);
    if (uploads.length > 0) this.#faults.push(`left in uploads/: ${uploads.join(', ')}`);
    await this.#noted(
      () => 'the arm moves though nobody commands it',
      () => !this.#moves(),
    );
    await this.#checkArm(-1);
    for (const [name, { tally }] of Object.entries(loads))
      this.#faults.push(...tally.lost.map((what) => `${name}: no answer to ${what}`));
    return {
      kills: this.#kills,
      faults: this.#faults,
      ticks: this.#ticks,
      starved: this.#starved,
      loads: Object.fromEntries(
        Object.entries(loads).map(([name, { tally }]) => [
          name,
          { answered: tally.answered, refused: tally.refused, reasons: Object.fromEntries(tally.reasons) },
        ]),
      ),
      recoveryMs: this.#recoveryMs.sort((a, b) => a - b),
    };
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#loads ?? {}).map((load) => load.stop()));
    this.#gateway?.child.kill('SIGTERM');
    await this.#gateway?.exited;
    await this.#arm.close();
    for (const name of sharedMemoryWith(this.#arm.name)) rmSync(`/dev/shm/${name}`, { force: true });
  }

  async #begin(): Promise<void> {
    [this.#port = 0] = await freePorts(1);
    const store = new TokenStore(this.#paths.tokens, { unixS });
    this.#token = (await store.create('operator', 'admin')).token;
    await this.#startGateway();
    const url = `http://127.0.0.1:${this.#port}`;
    const socketIo = new SocketIoLoad(url, this.#token, 4);
    await socketIo.client.ready(60_000);
    await socketIo.client.operator('take');
    await socketIo.client.projects.upload(PROJECT, new Uint8Array(stampedProject(MAIN, 0)));
    this.#loads = {
      socketIo,
      webSocket: new WebSocketLoad(url, this.#token, 2),
      uploads: new UploadLoad(url, this.#token, PROJECT, MAIN, 700),
    };
    await this.#arm.until('the arm moves', () => this.#moves());
  }

  async #startGateway(): Promise<void> {
    const { name } = this.#arm;
    this.#gateway = myelin([
      ...['gateway', '--storage', this.#storage, '--port', String(this.#port)],
      ...['--segment', name, '--world', name],
    ]);
    await this.#gateway.says(/Press Ctrl\+C/, 60_000);
  }

  /** Resolves when calls are answered again, over the protocol of whoever is the operator now. */
  async #answers(round: number, victim: Victim): Promise<void> {
    const loads = this.#loads;
    if (loads === undefined) return;
    const count = () => loads.socketIo.tally.answered + loads.webSocket.tally.answered;
    const before = count();
    const known = JSON.stringify(this.#reasons());
    const what = `calls are answered again after the ${victim} was killed in round ${round}`;
    await until(what, () => count() > before + 3, 90_000).catch((cause: unknown) => {
      const reasons = `refused before: ${known}\nrefused now: ${JSON.stringify(this.#reasons())}`;
      throw new Error(`${what}: in vain\n${reasons}\n${this.#gateway?.output().slice(-4000)}`, { cause });
    });
  }

  #reasons(): object {
    return Object.fromEntries(
      Object.entries(this.#loads ?? {}).map(([name, { tally }]) => [name, Object.fromEntries(tally.reasons)]),
    );
  }

  #moves(): boolean {
    return Math.abs(this.#arm.read().commandedVelocity[0] ?? 0) > 0.02;
  }

  /** The processes now. */
  #family(): Readonly<Partial<Record<Victim, number>>> {
    const gateway = this.#gateway?.pid;
    const worker = childrenOf(gateway).find((pid) => commandOf(pid).includes(' worker '));
    const project = childrenOf(worker).find((pid) => /run_project\.py|bwrap/.test(commandOf(pid)));
    return {
      ...(gateway === undefined ? {} : { gateway }),
      ...(worker === undefined ? {} : { worker }),
      ...(project === undefined ? {} : { project }),
    };
  }

  async #nothingLeft(round: number, pids: readonly number[]): Promise<void> {
    await this.#gone(`the gateway ended in round ${round}`, pids);
    const sockets = [this.#paths.commandSocket, this.#paths.callbackSocket].map((s) =>
      s.slice('ipc://'.length),
    );
    await this.#noted(
      () => `a socket file stayed behind in round ${round}`,
      () => !sockets.some((s) => existsSync(s)),
    );
    await this.#noted(
      () => `a process stayed behind in round ${round}: ${this.#strangers().map(commandOf)}`,
      () => this.#strangers().length === 0,
    );
    for (const pid of pids)
      await this.#noted(
        () => `a view of the segment stayed behind in round ${round}`,
        () => !existsSync(`/dev/shm/.myelin-${pid}`),
      );
  }

  #gone(what: string, pids: readonly (number | undefined)[]): Promise<void> {
    const there = () =>
      pids.filter((pid) => pid !== undefined && existsSync(`/proc/${pid}/exe`) && commandOf(pid) !== '');
    return this.#noted(
      () => `${what}, and still there are ${there().map((pid) => commandOf(pid ?? 0))}`,
      () => there().length === 0,
    );
  }

  /** Waits for what must come to be; when it does not, that is a fault. */
  async #noted(fault: () => string, condition: () => boolean): Promise<void> {
    await until('it is so', condition, 15_000).catch(() => this.#faults.push(fault()));
  }

  /** Processes that have to do with our storage or run a project of it, and are not the gateway's family. */
  #strangers(): number[] {
    return processes().filter(
      (pid) =>
        pid !== process.pid &&
        (commandOf(pid).includes(this.#storage) || folderOf(pid).startsWith(this.#storage)),
    );
  }

  /** What lies in `current/` is one upload, whole. */
  #checkCurrent(round: number): void {
    const current = join(this.#paths.projects, 'current');
    for (;;) {
      try {
        const target = readlinkSync(current);
        const stamps = new Set(
          STAMPED_FILES.map((name) => stampOf(readFileSync(join(current, name), 'utf8'))),
        );
        // An update may have put another one in its place between two reads: then it is read again.
        if (readlinkSync(current) !== target) continue;
        if (stamps.size > 1)
          this.#faults.push(`current/ is a mixture in round ${round}: ${[...stamps].join(', ')}`);
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'ENOENT' && existsSync(current)) continue;
        this.#faults.push(`current/ cannot be read in round ${round}: ${String(thrown)}`);
      }
      return;
    }
  }

  /** Simulated motors that this machine does not run are no fault of whom we kill: control begins anew, as by hand. */
  async #checkArm(round: number): Promise<void> {
    const { ticks, faults } = proveMotion(this.#arm.tracePath);
    this.#ticks = Math.max(this.#ticks, ticks);
    this.#faults.push(...faults.map((fault) => `round ${round}: ${fault}`));
    const state = this.#arm.state();
    if (state !== 'EMERGENCY_STOP' && state !== 'DAMPING') return;
    await this.#arm.controlExit;
    const [why = 'for no reason'] = /Fault: .*/.exec(this.#arm.controlOutput) ?? [];
    if (why.includes('a motor fell silent')) this.#starved += 1;
    else this.#faults.push(`the arm is in ${state} in round ${round}: ${why}`);
    await this.#arm.startControl();
  }
}

const stampOf = (text: string): string => /(\d+)\s*$/.exec(text)?.[1] ?? 'none';
