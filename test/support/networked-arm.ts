import { unlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { type MotionProof, proveMotion } from '../../src/cli/self-test/motion-faults.ts';
import { SimulatedArm } from '../../src/cli/self-test/simulated-arm.ts';
import { BAD, CALM, LossyProxy } from './lossy-proxy.ts';
import { myelin, type Started, sharedMemoryWith, start, stopAll } from './processes.ts';

export { BAD, CALM };

export type Protocol = 'lerobot' | 'openpi';

/** Ports that were free a moment ago, for servers that must come back where they were. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

/** A policy server whose policy waves, as a process, at the same ports however often it is killed. */
export class WavingServer {
  readonly ports: Readonly<Record<Protocol, number>>;
  #process: Started | undefined;

  private constructor(ports: Readonly<Record<Protocol, number>>) {
    this.ports = ports;
  }

  static async start(): Promise<WavingServer> {
    const [lerobot = 0, openpi = 0] = await freePorts(2);
    const server = new WavingServer({ lerobot, openpi });
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const { lerobot, openpi } = this.ports;
    this.#process = start([process.execPath, 'test/support/waving-server.mjs', `${lerobot}`, `${openpi}`]);
    await this.#process.says(/^serving$/m, 180_000);
  }

  async kill(): Promise<void> {
    this.#process?.child.kill('SIGKILL');
    await this.#process?.exited;
  }
}

/**
 * A simulated arm that waves, filmed by one process, commanded by another through a network, with the policy behind
 * it. Everything is a process of its own; `close()` leaves none of them.
 */
export class NetworkedArm {
  readonly arm: SimulatedArm;
  readonly server: WavingServer;
  readonly network: LossyProxy;
  readonly client: Started;
  camera: Started;

  private constructor(parts: Pick<NetworkedArm, 'arm' | 'server' | 'network' | 'client' | 'camera'>) {
    this.arm = parts.arm;
    this.server = parts.server;
    this.network = parts.network;
    this.client = parts.client;
    this.camera = parts.camera;
  }

  /** Resolves when the arm moves. */
  static async start(protocol: Protocol): Promise<NetworkedArm> {
    // Simulated metal stalls with a busy machine, and so does who commands it, which is not the fault that is meant.
    const arm = await SimulatedArm.start({
      control: ['--feedback-timeout', '0.5', '--watchdog-timeout', '10', '--trace-length', '120'],
    });
    try {
      const server = await WavingServer.start();
      const network = await LossyProxy.start(server.ports[protocol]);
      const camera = film(arm.name);
      await camera.says(/external of the world/, 60_000);
      const client = myelin(commandOf(protocol, network.port, arm.name));
      const made = new NetworkedArm({ arm, server, network, client, camera });
      await client.says(/commands the/, 60_000);
      await made.works();
      return made;
    } catch (thrown) {
      await stopAll();
      await arm.close();
      throw thrown;
    }
  }

  /** Inferences so far. */
  get inferences(): number {
    return this.arm.segment.fields.inferences;
  }

  /** Resolves when chunks come, from now on, and the arm moves. */
  async works(chunks = 2): Promise<void> {
    const before = this.inferences;
    await this.#until(`${chunks} more chunks came`, () => this.inferences >= before + chunks);
    await this.#until('the arm moves', () => Math.abs(this.arm.read().commandedVelocity[0] ?? 0) > 0.05);
  }

  /** Resolves when the plan has run out and the arm stands still, in power and in command. */
  async holds(): Promise<void> {
    await this.#until('the arm holds', () => {
      const { commandedVelocity } = this.arm.read();
      return this.arm.segment.fields.queueDepth === 0 && commandedVelocity.every((v) => Math.abs(v) < 1e-3);
    });
    if (this.arm.state() !== 'RUNNING') throw new Error(`it does not hold, it is ${this.arm.state()}`);
  }

  film(): void {
    this.camera = film(this.arm.name);
  }

  /** Whether a limit was broken in the last two minutes. */
  motion(): MotionProof {
    return proveMotion(this.arm.tracePath);
  }

  async close(): Promise<void> {
    await this.network[Symbol.asyncDispose]();
    await stopAll();
    await this.arm.close();
    for (const name of sharedMemoryWith(this.arm.name)) unlinkSync(`/dev/shm/${name}`);
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    await this.arm.until(what, condition, 120_000).catch((thrown: unknown) => {
      throw new Error(`${(thrown as Error).message}\nthe client said:\n${this.client.output()}`);
    });
  }
}

const film = (name: string): Started =>
  myelin(['camera', '--source', `world:${name}`, '--camera', `external=${name}`, '--fps', '10']);

function commandOf(protocol: Protocol, port: number, name: string): string[] {
  const shared = ['--segment', name, '--camera-id', `external=${name}`, '--no-display', '--autostart'];
  if (protocol === 'openpi') return ['infer', '--policy', `openpi://127.0.0.1:${port}`, ...shared];
  return [
    ...['robot-client', '--server-address', `127.0.0.1:${port}`, '--policy-type', 'act'],
    ...['--pretrained-name-or-path', 'waving', '--actions-per-chunk', '40'],
    // A machine that is busy may take long to start a server again: the arm is to wait for it where it is.
    ...['--home-after', '0', ...shared],
  ];
}
