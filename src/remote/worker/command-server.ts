import { chmodSync } from 'node:fs';
import { Router } from 'zeromq';
import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import { failureData } from '../executors/user-failure.ts';
import { failure } from '../protocol/answer.ts';
import { type Command, commandSchema, type Reply } from '../protocol/ipc.ts';
import type { SocketFile } from './socket-file.ts';

/** A ZIP of 100 MB in base64, and room for the rest of the message. */
const MOST_MESSAGE_BYTES = 160 * 1024 * 1024;
/** Answers are small and must not be lost; what is in flight is bounded by the queues of calls. */
const SEND_HIGH_WATER_MARK = 100_000;
const LINGER_MS = 500;

/** Answers one command: `reply` may be called more than once where the command asks for it. */
export type CommandHandler = (command: Command, reply: (answer: Reply) => void) => Promise<void>;

/**
 * The ROUTER on which commands arrive. A REQ peer sends an empty frame before its JSON, a DEALER need not; the answer
 * goes back in the same wrapping.
 */
export class CommandServer {
  readonly #socket: Router;
  readonly #handler: CommandHandler;
  readonly #outgoing: (readonly (Buffer | string)[])[] = [];
  readonly #open = new Set<Promise<void>>();
  #sending = false;
  #closed = false;
  #received: Promise<void> = Promise.resolve();

  private constructor(socket: Router, handler: CommandHandler) {
    this.#socket = socket;
    this.#handler = handler;
  }

  static async bind(file: SocketFile, handler: CommandHandler): Promise<CommandServer> {
    const socket = new Router({
      sendHighWaterMark: SEND_HIGH_WATER_MARK,
      maxMessageSize: MOST_MESSAGE_BYTES,
      linger: LINGER_MS,
    });
    await socket.bind(file.address);
    file.bound();
    chmodSync(file.path, 0o600);
    const server = new CommandServer(socket, handler);
    server.#received = server.#receive();
    return server;
  }

  /** Answers what is still open, as long as that takes `graceMs` at most, and lets go of the socket. Idempotent. */
  async close(graceMs = 1000): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const late = new Promise<void>((resolve) => setTimeout(resolve, graceMs).unref());
    await Promise.race([Promise.all(this.#open), late]);
    while (this.#sending) await new Promise((resolve) => setImmediate(resolve));
    this.#socket.close();
    await this.#received;
  }

  async #receive(): Promise<void> {
    try {
      for await (const frames of this.#socket) {
        const work = this.#serve(frames.slice(0, -1), frames.at(-1) ?? Buffer.alloc(0));
        this.#open.add(work);
        void work.finally(() => this.#open.delete(work));
      }
    } catch (error) {
      if (!this.#closed) throw error;
    }
  }

  async #serve(envelope: readonly Buffer[], payload: Buffer): Promise<void> {
    let id: Command['id'];
    const reply = (answer: Reply) => {
      this.#outgoing.push([...envelope, JSON.stringify(id === undefined ? answer : { ...answer, id })]);
      void this.#flush();
    };
    try {
      const message = parse(payload);
      id = idOf(message);
      if (this.#closed) throw new MyelinError('WORKER_UNAVAILABLE', { state: 'stopping' });
      await this.#handler(check(message), reply);
    } catch (thrown) {
      reply(failure(thrown, failureData(thrown)));
    }
  }

  /** One send at a time: the socket takes no more. */
  async #flush(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (let next = this.#outgoing.shift(); next !== undefined; next = this.#outgoing.shift()) {
        await this.#socket.send([...next]);
      }
    } catch (error) {
      // The socket was closed under us; whoever asked learns it from the end of the worker.
      if (!this.#closed) throw error;
    } finally {
      this.#sending = false;
    }
  }
}

function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch (cause) {
    throw new MyelinError('MESSAGE_INVALID', { detail: (cause as Error).message }, { cause });
  }
}

/** Also of a message that is not valid, so that its sender recognises the answer. */
function idOf(message: unknown): Command['id'] {
  if (typeof message !== 'object' || message === null || !('id' in message)) return undefined;
  const { id } = message;
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}

function check(message: unknown): Command {
  const { success, data, error } = commandSchema.safeParse(message);
  if (success) return data;
  const advice = 'docs/protocols/remote.md shows every command.';
  throw new MyelinError('REQUEST_INVALID', { detail: z.prettifyError(error), advice }, { cause: error });
}
