import { MyelinError, toMyelinError } from '../../core/errors.ts';
import type { RemotePolicyConfig, TimedObservation } from './messages.ts';
import { RobotSession, type RobotSessionOptions } from './robot-session.ts';
import type { SetupMemory } from './setup-memory.ts';

export interface RobotsOptions extends Omit<RobotSessionOptions, 'client'> {
  readonly memory: SetupMemory;
  /** Robots at once. */
  readonly maxClients: number;
  readonly onEvent: (text: string) => void;
}

/** A robot at the server, and when it was last heard of. */
interface Robot {
  readonly session: RobotSession;
  heardMs: number;
  /** Calls under way. */
  calls: number;
  /** Set up again from memory. */
  adoption: Promise<void> | undefined;
  newest: TimedObservation | undefined;
  /** What was told last, so that it is told once. */
  told: string;
}

/** A robot that holds no call open and says nothing for so long is gone. */
const IDLE_MS = 60_000;
const SWEEP_MS = 5_000;
/** One that is idle may have to make room for another earlier. */
const MAKE_ROOM_MS = 5_000;

/** All robots of a server, by their connection: address and port. */
export class Robots implements Disposable {
  readonly #options: RobotsOptions;
  readonly #robots = new Map<string, Robot>();
  readonly #sweep: NodeJS.Timeout;

  constructor(options: RobotsOptions) {
    this.#options = options;
    this.#sweep = setInterval(() => this.#forgetIdle(IDLE_MS), SWEEP_MS).unref();
  }

  get size(): number {
    return this.#robots.size;
  }

  /** Runs a call of that client. @throws MyelinError SERVER_FULL, and what the work throws */
  async call<Result>(
    peer: string,
    work: (session: RobotSession) => Promise<Result> | Result,
  ): Promise<Result> {
    const robot = this.#robotOf(peer);
    robot.calls += 1;
    try {
      return await work(robot.session);
    } catch (thrown) {
      this.#tell(robot, toMyelinError(thrown));
      throw thrown;
    } finally {
      robot.calls -= 1;
      robot.heardMs = performance.now();
    }
  }

  async setUp(peer: string, config: RemotePolicyConfig): Promise<void> {
    await this.call(peer, async (session) => {
      await session.setUp(config);
      this.#options.memory.remember(addressOf(peer), config);
      const { onEvent } = this.#options;
      onEvent(`${peer} runs ${config.policyType} ${config.pretrainedNameOrPath}`);
      const { unusedCameras } = session;
      if (unusedCameras.length > 0)
        onEvent(`${peer} sends pictures the policy does not look at: ${unusedCameras.join(', ')}`);
    });
  }

  /**
   * Takes an observation in. One of a robot that never said what to run belongs to a client from before this server,
   * or this connection: what it asked for then is set up again while it goes on.
   * @throws MyelinError SESSION_CLOSED when nothing is known of it, OBSERVATION_MISMATCH
   */
  offer(peer: string, observation: TimedObservation): Promise<void> {
    return this.call(peer, (session) => {
      if (session.config !== undefined) {
        session.offer(observation);
        return;
      }
      const robot = this.#robotOf(peer);
      robot.newest = observation;
      robot.adoption ??= this.#adopt(peer, robot, observation).finally(() => {
        robot.adoption = undefined;
      });
    });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#sweep);
    for (const { session } of this.#robots.values()) session.close();
    this.#robots.clear();
  }

  #adopt(peer: string, robot: Robot, observation: TimedObservation): Promise<void> {
    const { memory, onEvent } = this.#options;
    const config = memory.recall(addressOf(peer), observation);
    if (config === undefined) {
      throw new MyelinError('SESSION_CLOSED', {
        client: `${peer}, which has not said what to run (start the client again)`,
      });
    }
    onEvent(`${peer} goes on with ${config.pretrainedNameOrPath}, as agreed before the connection was lost`);
    return robot.session
      .setUp(config)
      .then(() => {
        if (robot.newest !== undefined) robot.session.offer({ ...robot.newest, mustGo: true });
      })
      .catch((thrown: unknown) => this.#tell(robot, toMyelinError(thrown)));
  }

  #robotOf(peer: string): Robot {
    const known = this.#robots.get(peer);
    if (known !== undefined) return known;
    const { maxClients, onEvent } = this.#options;
    if (this.#robots.size >= maxClients) this.#forgetIdle(MAKE_ROOM_MS);
    if (this.#robots.size >= maxClients) throw new MyelinError('SERVER_FULL', { clients: maxClients });
    const session = new RobotSession({ ...this.#options, client: peer });
    const heardMs = performance.now();
    const robot: Robot = {
      session,
      heardMs,
      calls: 0,
      adoption: undefined,
      newest: undefined,
      told: '',
    };
    this.#robots.set(peer, robot);
    onEvent(`${peer} connected`);
    return robot;
  }

  #forgetIdle(idleMs: number): void {
    const nowMs = performance.now();
    for (const [peer, robot] of this.#robots) {
      if (robot.calls > 0 || robot.adoption !== undefined || nowMs - robot.heardMs < idleMs) continue;
      robot.session.close();
      this.#robots.delete(peer);
      this.#options.onEvent(
        `${peer} is gone; ${robot.session.observationHz.toFixed(1)} observations a second`,
      );
    }
  }

  /** A failure repeats with every observation; it is told when it is another one. */
  #tell(robot: Robot, { code, message, hint }: MyelinError): void {
    if (code === 'REQUEST_CANCELLED' || robot.told === code) return;
    robot.told = code;
    this.#options.onEvent(`${robot.session.client}: ${message}. ${hint}`);
  }
}

/** `10.0.0.7:51234` and `[::1]:51234` without the port. */
export const addressOf = (peer: string): string => peer.replace(/:\d+$/, '');
