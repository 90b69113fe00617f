import { MyelinError } from '../../core/errors.ts';
import { codecOf } from './codec.ts';
import type { LeRobotConnection } from './connection.ts';
import type { LeRobotCodec, TimedActions, TimedObservation } from './messages.ts';
import { ASYNC_INFERENCE } from './service.ts';
import { pieces } from './transfer.ts';

export interface StockExchangeSettings {
  readonly connection: LeRobotConnection;
  readonly codec: LeRobotCodec;
  /** Time for an inference, ms. */
  readonly answerMs: number;
  /** Time for a call that computes nothing, ms. */
  readonly callMs: number;
}

/** Replies without actions before the server is told again what to run, and before it is given up. */
const EMPTY_BEFORE_HANDSHAKE = 2;
const EMPTY_BEFORE_FAILURE = 3;

/** One observation there, its actions back, with the two calls of LeRobot's own service. */
export class StockExchange {
  readonly #settings: StockExchangeSettings;
  #poll: Promise<Uint8Array> | undefined;

  constructor(settings: StockExchangeSettings) {
    this.#settings = settings;
  }

  /**
   * Stock servers answer a failure with nothing, like the absence of an observation, and a server process that never
   * heard what to run fails every time: so the observation is sent again, then hands are shaken again, then it is
   * called a failure.
   * @param agreeAgain shakes hands
   * @throws MyelinError SERVER_REFUSED, SERVER_UNREACHABLE, DEADLINE_EXCEEDED
   */
  async ask(
    timed: TimedObservation,
    agreeAgain: () => Promise<void>,
    signal?: AbortSignal,
  ): Promise<TimedActions> {
    const { answerMs } = this.#settings;
    const endMs = performance.now() + answerMs;
    await this.send(timed, signal);
    for (let empty = 0; performance.now() < endMs; ) {
      const bytes = await this.#receive(endMs - performance.now(), signal);
      if (bytes.length === 0) {
        empty += 1;
        if (empty >= EMPTY_BEFORE_FAILURE) throw this.#nothing();
        if (empty >= EMPTY_BEFORE_HANDSHAKE) await agreeAgain();
        await this.send(timed, signal);
        continue;
      }
      const actions = codecOf(bytes).readActions(bytes);
      if (actions.rows[0]?.timestep === timed.timestep) return actions;
    }
    throw new MyelinError('DEADLINE_EXCEEDED', { deadlineMs: answerMs, stage: 'the server was at work' });
  }

  /** Uploads an observation. @throws MyelinError SERVER_REFUSED, SERVER_UNREACHABLE */
  async send(timed: TimedObservation, signal?: AbortSignal): Promise<void> {
    const { connection, codec, callMs } = this.#settings;
    const payload = codec.writeObservation(timed);
    await connection.upload(ASYNC_INFERENCE.sendObservations, pieces(payload), {
      deadlineMs: callMs,
      signal,
    });
  }

  /** Keeps a call open while nothing is asked, to notice when the server goes. */
  idle(onFailure: (thrown: unknown) => void): void {
    if (this.#poll !== undefined) return;
    const { connection, answerMs } = this.#settings;
    const poll = connection.call(ASYNC_INFERENCE.getActions, {}, { deadlineMs: answerMs });
    this.#poll = poll;
    const over = () => {
      if (this.#poll === poll) this.#poll = undefined;
    };
    poll.then(over, (thrown: unknown) => {
      over();
      onFailure(thrown);
    });
  }

  /** A call still open belongs to the time before a new handshake. */
  forget(): void {
    this.#poll = undefined;
  }

  /** The next reply: of the idle call when one is still open, so that it takes no chunk from us. */
  async #receive(deadlineMs: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const open = this.#poll;
    this.#poll = undefined;
    if (open !== undefined) {
      const bytes = await open.catch(() => new Uint8Array(0));
      if (bytes.length > 0) return bytes;
    }
    return this.#settings.connection.call(ASYNC_INFERENCE.getActions, {}, { deadlineMs, signal });
  }

  #nothing(): MyelinError {
    return new MyelinError('SERVER_REFUSED', {
      url: this.#settings.connection.address,
      reason: 'nothing, several times',
      advice:
        "LeRobot's server hides why; its log says it. Often a camera or joint is called otherwise in the checkpoint.",
    });
  }
}
