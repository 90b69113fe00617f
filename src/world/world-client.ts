import { MyelinError } from '../core/errors.ts';
import { closeFd, connect, Poller, receive, send } from '../platform/seqpacket.ts';
import {
  type Fault,
  MAX_MESSAGE_BYTES,
  replySchema,
  type WorldRequest,
  type WorldState,
} from './world-messages.ts';
import { DEFAULT_WORLD, worldPaths } from './world-paths.ts';

/** A world that does not answer for this long is taken for dead, ms. */
const ANSWER_TIMEOUT_MS = 2000;

/**
 * Asks a running world for things, from any process. Every call waits for the answer (about a millisecond), so it
 * is for tests and commands, not for a control loop.
 */
export class WorldClient {
  readonly name: string;
  readonly #poller = new Poller();
  readonly #buffer = new Uint8Array(MAX_MESSAGE_BYTES);
  #fd: number;

  private constructor(name: string, fd: number) {
    this.name = name;
    this.#fd = fd;
    this.#poller.set([fd]);
  }

  /** @throws MyelinError WORLD_MISSING */
  static connect(name = DEFAULT_WORLD): WorldClient {
    const fd = connect(worldPaths(name).control);
    if (fd < 0) throw new MyelinError('WORLD_MISSING', { name });
    return new WorldClient(name, fd);
  }

  state(): WorldState {
    return this.#ask({ op: 'state' });
  }

  /** Lays the cubes out anew; without a seed as they were. With `parkArm` the arm is put back to its zero pose. */
  reset(seed?: number, { parkArm = false }: { readonly parkArm?: boolean } = {}): WorldState {
    return this.#ask({ op: 'reset', parkArm, ...(seed === undefined ? {} : { seed }) });
  }

  /** A force (N, in the arm's base frame) on a cube or a link for a while. */
  perturb(body: string, forceN: readonly [number, number, number], durationMs: number): WorldState {
    return this.#ask({ op: 'push', body, forceN: [...forceN], durationMs });
  }

  /** Puts an object somewhere, at rest. */
  place(
    object: string,
    positionM: readonly [number, number, number],
    quaternion?: readonly [number, number, number, number],
  ): WorldState {
    const turn =
      quaternion === undefined ? {} : { quaternion: [...quaternion] as [number, number, number, number] };
    return this.#ask({ op: 'place', object, positionM: [...positionM], ...turn });
  }

  /** Breaks (or with `clear` mends) something. */
  fault(fault: Fault): WorldState {
    return this.#ask({ op: 'fault', fault });
  }

  close(): void {
    closeFd(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #ask(request: WorldRequest): WorldState {
    const record = new TextEncoder().encode(JSON.stringify(request));
    const gone = () => new MyelinError('WORLD_MISSING', { name: this.name });
    if (!send(this.#fd, record, record.length)) throw gone();
    const deadlineMs = performance.now() + ANSWER_TIMEOUT_MS;
    for (let leftMs = ANSWER_TIMEOUT_MS; leftMs > 0; leftMs = deadlineMs - performance.now()) {
      this.#poller.wait(leftMs * 1e6);
      const bytes = receive(this.#fd, this.#buffer);
      if (bytes < 0) throw gone();
      if (bytes > 0) return stateOf(this.#buffer.subarray(0, bytes));
    }
    throw gone();
  }
}

function stateOf(record: Uint8Array): WorldState {
  const reply = replySchema.parse(JSON.parse(new TextDecoder().decode(record)));
  if (reply.ok) return reply.state;
  throw new MyelinError('WORLD_REFUSED', { detail: reply.message, advice: reply.hint });
}
