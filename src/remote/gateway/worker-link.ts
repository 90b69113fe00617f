import { Dealer, Subscriber } from 'zeromq';
import { MyelinError } from '../../core/errors.ts';
import { type Answer, failure } from '../protocol/answer.ts';
import {
  type Command,
  type Published,
  publishedSchema,
  replySchema,
  type WorkerStatus,
} from '../protocol/ipc.ts';

export type WorkerState = 'starting' | 'ready' | 'restarting' | 'stopped';

export interface WorkerLinkOptions {
  readonly commandSocket: string;
  readonly callbackSocket: string;
  /** Everything the worker publishes but results, which come as replies. */
  readonly onPublished: (published: Exclude<Published, { type: 'callback' }>) => void;
  readonly onState: (state: WorkerState) => void;
  readonly nowMs: () => number;
  /** How long a command waits for a worker that is starting. Default 10 s. */
  readonly patienceMs?: number;
}

export interface SendOptions {
  readonly deadlineMs: number;
  /** Told when the worker has taken the command and is at work on it. */
  readonly onAcknowledged?: (() => void) | undefined;
}

interface Open {
  readonly command: Omit<Command, 'id'>;
  readonly settle: (answer: Answer) => void;
  readonly onAcknowledged: SendOptions['onAcknowledged'];
  readonly timer: NodeJS.Timeout;
  /** Whether it went out. Those that did not go out yet survive a restart of the worker. */
  sent: boolean;
  acknowledged: boolean;
}

/** Commands under way at most, waiting ones counted in. */
export const MOST_OPEN = 1024;
const PATIENCE_MS = 10_000;
/** How often a worker that has not answered yet is asked for its status. */
const PROBE_MS = 500;
/** A worker that has published nothing for this long is not there any more; it does so every second. */
const SILENT_MS = 5000;
const CHECK_MS = 250;
const MOST_REPLY_BYTES = 256 * 1024 * 1024;
const PROBE_ID = 'status-probe';
/** What is listened to; results come as replies. */
const PUBLISHED = ['push', 'log', 'progress', 'status'] as const satisfies readonly Published['type'][];

/**
 * The gateway's end of the two ZeroMQ sockets. Every command is answered exactly once: with the worker's reply, or
 * with an error when its deadline passes or the worker goes. A command that went out to a worker that died is never
 * sent to the next one.
 */
export class WorkerLink {
  readonly #options: WorkerLinkOptions;
  readonly #open = new Map<string, Open>();
  readonly #watch: NodeJS.Timeout;
  #dealer: Dealer | undefined;
  #subscriber: Subscriber | undefined;
  #sending: Promise<unknown> = Promise.resolve();
  #state: WorkerState = 'starting';
  #status: WorkerStatus | undefined;
  #sequence = 0;
  #heardMs: number;
  #probedMs = 0;
  #closed = false;

  constructor(options: WorkerLinkOptions) {
    this.#options = options;
    this.#heardMs = options.nowMs();
    this.#connect();
    this.#watch = setInterval(() => this.#look(), CHECK_MS);
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** What the worker said of itself last; undefined while there is none. */
  get status(): WorkerStatus | undefined {
    return this.#state === 'ready' ? this.#status : undefined;
  }

  get open(): number {
    return this.#open.size;
  }

  /** Since the worker's last sign of life, ms. */
  get silentMs(): number {
    return this.#options.nowMs() - this.#heardMs;
  }

  /** Sends a command. Always resolves, with an error's answer where something failed. */
  send(command: Omit<Command, 'id'>, { deadlineMs, onAcknowledged }: SendOptions): Promise<Answer> {
    if (this.#closed || this.#state === 'stopped')
      return Promise.resolve(failure(new MyelinError('WORKER_UNAVAILABLE', { state: 'stopped' })));
    if (this.#open.size >= MOST_OPEN)
      return Promise.resolve(failure(new MyelinError('QUEUE_FULL', { waiting: this.#open.size })));
    this.#sequence += 1;
    const id = `g${process.pid}-${this.#sequence}`;
    return new Promise((resolve) => {
      const settle = (answer: Answer) => {
        const open = this.#open.get(id);
        if (open === undefined) return;
        this.#open.delete(id);
        clearTimeout(open.timer);
        resolve(answer);
      };
      const late = () => {
        const call = command.params?.method ?? command.command;
        settle(failure(new MyelinError('CALL_TIMEOUT', { call, seconds: deadlineMs / 1000 })));
      };
      const open: Open = {
        command,
        settle,
        onAcknowledged,
        timer: setTimeout(late, deadlineMs),
        sent: false,
        acknowledged: false,
      };
      this.#open.set(id, open);
      if (this.#state === 'ready') this.#sendOut(id, open);
      else this.#waitForWorker(open);
    });
  }

  /** The worker's process is gone: answers all that went out to it and gets ready for the next one. */
  lost(state: 'restarting' | 'stopped'): void {
    if (this.#closed) return;
    const failed = failure(new MyelinError('WORKER_UNAVAILABLE', { state }));
    for (const open of [...this.#open.values()]) if (open.sent || state === 'stopped') open.settle(failed);
    this.#status = undefined;
    this.#become(state);
    if (state === 'stopped') this.#disconnect();
    // Another socket: what still waits in the old one must never reach the next worker.
    else this.#connect();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#watch);
    const failed = failure(new MyelinError('WORKER_UNAVAILABLE', { state: 'stopped' }));
    for (const open of [...this.#open.values()]) open.settle(failed);
    this.#disconnect();
  }

  #connect(): void {
    this.#disconnect();
    const { commandSocket, callbackSocket } = this.#options;
    const dealer = new Dealer({
      linger: 0,
      sendHighWaterMark: MOST_OPEN * 2,
      receiveHighWaterMark: MOST_OPEN * 2,
      reconnectInterval: 20,
      reconnectMaxInterval: 200,
      maxMessageSize: MOST_REPLY_BYTES,
    });
    const subscriber = new Subscriber({
      linger: 0,
      receiveHighWaterMark: 10_000,
      reconnectInterval: 20,
      reconnectMaxInterval: 200,
      maxMessageSize: MOST_REPLY_BYTES,
    });
    dealer.connect(commandSocket);
    subscriber.connect(callbackSocket);
    subscriber.subscribe(...PUBLISHED.map((type) => `{"type":"${type}"`));
    this.#dealer = dealer;
    this.#subscriber = subscriber;
    this.#sending = Promise.resolve();
    this.#heardMs = this.#options.nowMs();
    void this.#receive(dealer, (text) => this.#reply(text));
    void this.#receive(subscriber, (text) => this.#published(text));
    this.#probe();
  }

  #disconnect(): void {
    this.#dealer?.close();
    this.#subscriber?.close();
    this.#dealer = undefined;
    this.#subscriber = undefined;
  }

  async #receive(socket: Dealer | Subscriber, take: (text: string) => void): Promise<void> {
    const current = () => socket === this.#dealer || socket === this.#subscriber;
    try {
      for await (const frames of socket) {
        if (!current()) return;
        take(String(frames.at(-1) ?? ''));
      }
    } catch (thrown) {
      // Closing a socket ends its receive with an error; an open one does not fail.
      if (current()) throw thrown;
    }
  }

  /** One send at a time is all a socket allows. */
  #write(message: object): void {
    const dealer = this.#dealer;
    if (dealer === undefined) return;
    this.#sending = this.#sending
      .then(() => (dealer === this.#dealer ? dealer.send(['', JSON.stringify(message)]) : undefined))
      .catch(() => undefined); // Closed meanwhile: whatever was open has been answered.
  }

  #probe(): void {
    this.#probedMs = this.#options.nowMs();
    this.#write({ command: 'status', id: PROBE_ID });
  }

  #sendOut(id: string, open: Open): void {
    open.sent = true;
    // An acknowledgement that nobody waits for is not asked for.
    const reply = open.onAcknowledged === undefined ? 'result' : 'both';
    this.#write({ ...open.command, ...(open.command.command === 'process' ? { reply } : {}), id });
  }

  #waitForWorker(open: Open): void {
    setTimeout(() => {
      if (!open.sent) open.settle(failure(new MyelinError('WORKER_UNAVAILABLE', { state: this.#state })));
    }, this.#options.patienceMs ?? PATIENCE_MS).unref();
  }

  #reply(text: string): void {
    this.#heard();
    const parsed = replySchema.safeParse(parseJson(text));
    if (!parsed.success) return;
    const { id, final, ...answer } = parsed.data;
    if (id === PROBE_ID) {
      this.#greeted();
      return;
    }
    const open = this.#open.get(String(id));
    if (open === undefined) return; // Answered already: its deadline passed.
    if (final !== undefined && !open.acknowledged) {
      // A result that comes alone says this too.
      open.acknowledged = true;
      open.onAcknowledged?.();
    }
    if (final !== false) open.settle(answer);
  }

  #published(text: string): void {
    // Whoever only publishes cannot be asked: until it has answered once, that is no sign of life.
    if (this.#state === 'ready') this.#heard();
    const parsed = publishedSchema.safeParse(parseJson(text));
    if (!parsed.success || parsed.data.type === 'callback') return;
    if (parsed.data.type === 'status') this.#status = parsed.data.data;
    this.#options.onPublished(parsed.data);
  }

  #heard(): void {
    this.#heardMs = this.#options.nowMs();
  }

  #greeted(): void {
    if (this.#state === 'ready' || this.#state === 'stopped') return;
    this.#become('ready');
    for (const [id, open] of this.#open) if (!open.sent) this.#sendOut(id, open);
  }

  #look(): void {
    if (this.#state === 'stopped') return;
    if (this.#state === 'ready') {
      if (this.silentMs > SILENT_MS) this.lost('restarting');
    } else if (this.#options.nowMs() - this.#probedMs >= PROBE_MS) this.#probe();
  }

  #become(state: WorkerState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState(state);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema refuses it.
  }
}
