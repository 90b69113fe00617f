import type { WebSocket } from 'ws';
import { encodePicture, type Picture } from './camera-packet.ts';
import type { EventLog } from './event-log.ts';
import { LiveClient, type Outcome } from './live-client.ts';
import {
  type ArmInfo,
  encodeMessage,
  type Hello,
  type OperatorAction,
  type OperatorState,
  type PageRequest,
  type ServerMessage,
  type Telemetry,
  WIRE_VERSION,
} from './telemetry.ts';

export const LIVE_PATH = '/live';
export const MAX_CLIENTS = 32;
const TELEMETRY_PERIOD_MS = 40;
/** Pictures go out with every second telemetry message, 12.5 a second. */
const PICTURE_EVERY = 2;

/** What the page shows and acts on. `ArmTelemetry` is the real one. */
export interface PageSource {
  readonly segmentName: string;
  /** Changes whenever another control process takes over. Undefined while there is none. */
  armInfo(): ArmInfo | undefined;
  telemetry(malformed: number): Telemetry;
  /** Pictures that are newer than those of the last call. */
  pictures(): readonly Picture[];
  /** Sets request bits in the segment at once. */
  request(request: Exclude<PageRequest, 'quit'>): Outcome;
}

export interface LiveFeedOptions {
  readonly source: PageSource;
  readonly events: EventLog;
  /** Told of every request after it was carried out; `quit` is its alone. */
  readonly onControl?: (request: PageRequest) => void;
  /** Whether `onControl` can end the whole system. Default false. */
  readonly canQuit?: boolean;
  /** Who operates the robot, for everyone to see. */
  readonly operator?: () => OperatorState | null;
}

/** A page whose owner is known. Without one everything is allowed, and there is nobody to operate. */
export interface PageMember {
  readonly you: NonNullable<Hello['you']>;
  /** Why it may not ask for this, in words; undefined when it may. */
  readonly refusing: (request: PageRequest) => string | undefined;
  readonly onOperator: (action: OperatorAction) => Promise<Outcome>;
  readonly onHeard: () => void;
}

const ALONE: Outcome = { ok: false, text: 'This page was started on its own; nobody operates from afar.' };

/** Sends everything to everybody at a steady rate, and turns requests into deeds. */
export class LiveFeed {
  readonly clients = new Set<LiveClient>();
  malformed = 0;
  readonly #options: LiveFeedOptions;
  readonly #unsubscribe: () => void;
  #timer: NodeJS.Timeout | undefined;
  #round = 0;
  #armInfo: ArmInfo | undefined;

  constructor(options: LiveFeedOptions) {
    this.#options = options;
    this.#unsubscribe = options.events.subscribe((event) => this.#toAll(event));
  }

  start(): void {
    this.#timer = setInterval(() => this.#send(), TELEMETRY_PERIOD_MS);
  }

  add(socket: WebSocket, member?: PageMember): LiveClient {
    const client = new LiveClient(socket, {
      onRequest: (request) => this.#request(request, member),
      onOperator: async (action) => (await member?.onOperator(action)) ?? ALONE,
      onHeard: () => member?.onHeard(),
      onMalformed: () => {
        this.malformed += 1;
      },
    });
    this.clients.add(client);
    socket.once('close', () => this.clients.delete(client));
    const { source, events, canQuit = false } = this.#options;
    client.send({
      type: 'hello',
      wireVersion: WIRE_VERSION,
      segment: source.segmentName,
      canQuit,
      ...(member === undefined ? {} : { you: member.you }),
    });
    if (this.#armInfo !== undefined) client.send(this.#armInfo);
    for (const event of events.recent) client.send(event);
    return client;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#unsubscribe();
    for (const client of this.clients) client.close();
    this.clients.clear();
  }

  #request(request: PageRequest, member: PageMember | undefined): Outcome {
    const { source, onControl, canQuit = false } = this.#options;
    const refusal = member?.refusing(request);
    if (refusal !== undefined) return { ok: false, text: refusal };
    if (request === 'quit') {
      if (!canQuit) return { ok: false, text: 'This page was started on its own; there is nothing to end.' };
      onControl?.('quit');
      return { ok: true, text: 'Ending: the arm comes to rest first.' };
    }
    const outcome = source.request(request);
    onControl?.(request);
    return outcome;
  }

  #send(): void {
    const { source, operator } = this.#options;
    // Also with nobody watching: the source notices deaths and changes of state, and logs them for later.
    const telemetry = source.telemetry(this.malformed);
    const info = source.armInfo();
    if (info !== undefined && info !== this.#armInfo) this.#toAll(info);
    this.#armInfo = info;
    this.#round += 1;
    if (this.clients.size === 0) return;
    const text = encodeMessage({ ...telemetry, operator: operator?.() ?? null });
    const pictures = this.#round % PICTURE_EVERY === 0 ? source.pictures().map(encodePicture) : [];
    for (const client of this.clients) {
      client.sendIfKeepingUp(text);
      for (const picture of pictures) client.sendIfKeepingUp(picture);
    }
  }

  #toAll(message: ServerMessage): void {
    for (const client of this.clients) client.send(message);
  }
}
