import type { WebSocket } from 'ws';
import { type ErrorCode, MyelinError, toMyelinError } from '../../core/errors.ts';
import type { EngineSession } from '../engine/session.ts';
import { readMessage } from '../openpi/msgpack-reader.ts';
import { writeMessage } from '../openpi/msgpack-writer.ts';
import { fromPlain, toPlain } from '../openpi/wire-value.ts';
import { describeServer } from './answers.ts';
import { parseJson } from './json-guard.ts';
import {
  type InferMessage,
  isUpdate,
  readClientMessage,
  requestIdOf,
  type UpdateMessage,
} from './messages.ts';
import { Pi05Session } from './pi05-session.ts';
import { SubtaskRefresh } from './subtask-refresh.ts';

export interface Pi05ConnectionSettings {
  readonly socket: WebSocket;
  /** Opens the client's session; it may have to load the policy first. */
  readonly openSession: () => Promise<EngineSession>;
  readonly cameras?: Readonly<Record<string, string>> | undefined;
  readonly allowRandomImages?: boolean | undefined;
  /** Whether the client asked for our additions. */
  readonly extended: boolean;
  /** Monotonic time, ns. */
  readonly nowNs: () => number;
  /** Unix time, s. */
  readonly unixS: () => number;
  /** Something people should know; a kind of failure once. */
  readonly onEvent: (text: string) => void;
}

/** A client that sends ahead of its answers is read no further until they have gone out. */
const MOST_AHEAD = 8;
/** A client that does not read gets no more refreshes. */
const MOST_UNSENT_BYTES = 1 << 20;

/** One pi0.5 client on the wire: metadata first, answers in order, refreshes of the subtask in between. */
export class Pi05Connection {
  readonly #settings: Pi05ConnectionSettings;
  readonly #gone = new AbortController();
  readonly #refresh: SubtaskRefresh;
  readonly #opened: Promise<Pi05Session | undefined>;
  #turn: Promise<unknown>;
  #ahead = 0;
  /** Whether the client's last message was MessagePack; it is answered in kind. */
  #packed = false;
  /** Kinds of failures that were told: they repeat with every request. */
  readonly #told = new Set<ErrorCode>();

  constructor(settings: Pi05ConnectionSettings) {
    this.#settings = settings;
    const { socket } = settings;
    socket.on('message', (data: Buffer, isBinary) => this.#take(data, isBinary));
    socket.on('close', () => this.#close());
    this.#opened = this.#open();
    this.#turn = this.#opened;
    this.#refresh = new SubtaskRefresh({
      refresh: (count) => this.#refreshSubtask(count),
      onFailure: (thrown) => this.#failRefresh(toMyelinError(thrown)),
    });
  }

  async #open(): Promise<Pi05Session | undefined> {
    const { openSession, cameras, allowRandomImages, extended, nowNs, socket } = this.#settings;
    try {
      const session = await openSession();
      if (this.#gone.signal.aborted) {
        session.close();
        return undefined;
      }
      this.#send(describeServer(session.spec, session.looksBack, extended));
      return new Pi05Session({ session, cameras, allowRandomImages, nowNs, gone: this.#gone.signal });
    } catch (thrown) {
      this.#fail(thrown, undefined);
      socket.close(1011, 'explained in the previous message');
      return undefined;
    }
  }

  #take(data: Buffer, isBinary: boolean): void {
    const startedNs = this.#settings.nowNs();
    const { socket } = this.#settings;
    this.#packed = isBinary;
    this.#ahead += 1;
    if (this.#ahead >= MOST_AHEAD) socket.pause();
    const done = () => {
      this.#ahead -= 1;
      if (socket.isPaused) socket.resume();
    };
    let value: unknown;
    try {
      value = isBinary ? toPlain(readMessage(data)) : parseJson(data);
      const message = readClientMessage(value);
      // What a client sees now counts at once, also while an inference runs.
      if (isUpdate(message)) void this.#update(message).then(done);
      else this.#turn = this.#turn.then(() => this.#infer(message, startedNs)).then(done);
    } catch (thrown) {
      this.#turn = this.#turn.then(() => this.#fail(thrown, requestIdOf(value))).then(done);
    }
  }

  async #infer(message: InferMessage, startedNs: number): Promise<void> {
    const session = await this.#opened;
    if (session === undefined || this.#gone.signal.aborted) return;
    try {
      session.checkSubtasks(Boolean(message.subtask_refresh_interval));
      const { queueMs, ...answer } = await session.infer(message);
      this.#setRefresh(message.subtask_refresh_interval);
      const { intervalS } = this.#refresh;
      const total_ms = (this.#settings.nowNs() - startedNs) / 1e6;
      this.#send({
        status: 'success',
        ...answer,
        server_timing: { total_ms, queue_ms: queueMs },
        subtask_refresh_enabled: intervalS !== undefined,
        subtask_refresh_interval: intervalS ?? null,
      });
    } catch (thrown) {
      this.#fail(thrown, message.request_id);
    }
  }

  async #update(message: UpdateMessage): Promise<void> {
    const session = await this.#opened;
    if (session === undefined || this.#gone.signal.aborted) return;
    try {
      session.checkSubtasks(Boolean(message.subtask_refresh_interval));
      await session.update(message);
      this.#setRefresh(message.subtask_refresh_interval);
      const { request_id } = message;
      // Only who gives an id can tell this from the answer to a request.
      if (request_id !== undefined)
        this.#send({ status: 'success', type: 'observation_updated', request_id });
    } catch (thrown) {
      this.#fail(thrown, message.request_id);
    }
  }

  #setRefresh(intervalS: number | null | undefined): void {
    if (intervalS !== undefined && !this.#gone.signal.aborted) this.#refresh.set(intervalS || undefined);
  }

  async #refreshSubtask(count: number): Promise<boolean> {
    const session = await this.#opened;
    if (this.#settings.socket.bufferedAmount > MOST_UNSENT_BYTES) return false;
    const subtask = await session?.refresh();
    if (subtask === undefined || this.#gone.signal.aborted) return false;
    this.#send({
      type: 'subtask_refresh',
      subtask: subtask.text,
      subtask_tokens: [...subtask.tokens],
      refresh_count: count,
      timestamp: this.#settings.unixS(),
    });
    return true;
  }

  /** The connection stays: the next message may be right. */
  #fail(thrown: unknown, request_id: string | number | undefined): void {
    if (this.#gone.signal.aborted) return;
    const error = toMyelinError(thrown);
    this.#tell(error);
    this.#send({ status: 'error', ...faultOf(error), request_id });
  }

  /** The seed has no message for it: a client that does not know ours would take it for its next answer. */
  #failRefresh(error: MyelinError): void {
    if (this.#gone.signal.aborted) return;
    this.#tell(error);
    if (this.#settings.extended) this.#send({ type: 'subtask_refresh_error', ...faultOf(error) });
  }

  #tell({ code, message }: MyelinError): void {
    if (!this.#told.has(code)) this.#settings.onEvent(message);
    this.#told.add(code);
  }

  #send(value: object): void {
    this.#settings.socket.send(
      this.#packed ? writeMessage(fromPlain(value)) : JSON.stringify(value),
      () => undefined,
    );
  }

  #close(): void {
    this.#refresh.set(undefined);
    this.#gone.abort(new MyelinError('REQUEST_CANCELLED', { reason: 'the client left' }));
    void this.#opened.then((session) => session?.close());
  }
}

const faultOf = ({ code, message, hint }: MyelinError) => ({ error: `${message}. ${hint}`, code });
