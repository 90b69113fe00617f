import type { Registry } from 'prom-client';
import { toMyelinError } from '../../core/errors.ts';
import { checkListen, type TlsFiles } from '../../serving/engine/listen.ts';
import { AttemptLimiter } from '../auth/attempt-limiter.ts';
import { Authenticator } from '../auth/authenticator.ts';
import type { TokenStore } from '../auth/token-store.ts';
import type { SystemPaths } from '../config/paths.ts';
import type { Config } from '../config/settings.ts';
import { type Answered, CommandDesk, operatorInfo } from './command-desk.ts';
import type { EventLog } from './event-log.ts';
import type { GatewayArm } from './gateway-arm.ts';
import { type GatewayStatus, registerApi } from './http-api.ts';
import { registerDescription } from './http-description.ts';
import type { StoredProjects } from './http-projects.ts';
import { createHttp, type Http } from './http-server.ts';
import { LiftedUploads } from './lifted-uploads.ts';
import { listenAt } from './listen-at.ts';
import { LiveFeed } from './live-feed.ts';
import { Metrics } from './metrics.ts';
import { OperatorLease, operatorState } from './operator-lease.ts';
import { OperatorWatch } from './operator-watch.ts';
import { type PageFolders, registerPage } from './page-routes.ts';
import { Sessions } from './sessions.ts';
import { attachSocketIo, type SocketIoGate } from './socket-io.ts';
import type { PageRequest } from './telemetry.ts';
import { Upgrades } from './upgrades.ts';
import { Uploads } from './uploads.ts';
import { WebSocketGate } from './web-socket.ts';
import { WorkerLink } from './worker-link.ts';
import { WorkerNews } from './worker-news.ts';

export interface GatewayOptions extends PageFolders {
  readonly config: Config;
  readonly paths: SystemPaths;
  readonly arm: GatewayArm;
  readonly events: EventLog;
  readonly tokens: TokenStore;
  readonly projects: StoredProjects;
  readonly tls?: TlsFiles | undefined;
  readonly version: string;
  readonly nowMs: () => number;
  readonly unixS: () => number;
  /** Take the next free port when this one is in use. Default false. */
  readonly nextFreePort?: boolean;
  readonly onControl?: (request: PageRequest) => void;
  readonly canQuit?: boolean;
  readonly logTail: (lines: number) => Promise<readonly string[]>;
  /** For the log: what was asked and what came of it, what was refused, what went wrong. */
  readonly onMetrics?: (registry: Registry) => void;
  readonly onLog: (level: 'debug' | 'info' | 'warn' | 'error', text: string, more?: object) => void;
}

export interface Gateway {
  readonly url: string;
  readonly port: number;
  readonly link: WorkerLink;
  /** Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * HTTP, Socket.IO, WebSocket, the page, and the link to the worker, on one port.
 * @throws MyelinError LISTEN_UNSAFE, PORT_IN_USE, ADDRESS_UNUSABLE
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const host = options.config['websocket.host'];
  const insecure = options.config['tls.insecure'];
  // A token is always asked for beyond this machine.
  checkListen({ host, token: 'tokens.json', tls: options.tls, insecure });
  const parts = new GatewayParts(options);
  let port: number;
  try {
    await parts.open();
    port = await listenAt(parts.http, host, options.config['websocket.port'], options.nextFreePort);
  } catch (thrown) {
    await parts.close();
    throw thrown;
  }
  const shown = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  const close = () => parts.close();
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://${shown}:${port}`,
    port,
    link: parts.link,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The parts, made in the order in which they need each other, and joined. */
class GatewayParts {
  readonly http: Http;
  readonly link: WorkerLink;
  readonly #options: GatewayOptions;
  readonly #authenticator: Authenticator;
  readonly #lease: OperatorLease;
  readonly #operators: OperatorWatch;
  readonly #sessions: Sessions;
  readonly #desk: CommandDesk;
  readonly #uploads: Uploads;
  readonly #lifted = new LiftedUploads();
  readonly #live: LiveFeed;
  readonly #metrics: Metrics;
  readonly #webSocket: WebSocketGate;
  readonly #upgrades: Upgrades;
  readonly #startedMs: number;
  #socketIo: SocketIoGate | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { config, paths, tls, tokens, arm, events, nowMs, unixS, onLog } = options;
    const allowedOrigins = config['websocket.allowed_origins'];
    const maxMessageBytes = config['websocket.max_message_size'];
    this.#startedMs = nowMs();
    this.#authenticator = new Authenticator({
      tokens,
      limiter: new AttemptLimiter(nowMs),
      local: config['auth.local'],
      allowedOrigins,
      onRefused: ({ address }, error) => {
        this.#metrics.count('refused');
        onLog('warn', `refused ${address}: ${error.message}`, { code: error.code });
      },
    });
    const news = new WorkerNews({
      events,
      onLog,
      onPush: (event, data) => {
        this.#socketIo?.push(event, data);
        this.#webSocket.push(event, data);
      },
      onNotice: (notice) => this.#socketIo?.notice(notice),
      onLost: () => this.#metrics.count('restarts'),
    });
    this.link = new WorkerLink({
      commandSocket: paths.commandSocket,
      callbackSocket: paths.callbackSocket,
      nowMs,
      onState: (state) => news.became(state),
      onPublished: (published) => news.published(published),
    });
    this.#lease = new OperatorLease({
      nowMs,
      unixS,
      onEnd: (holder, why) => this.#operators.ended(holder, why),
      onChange: () => this.#operators.changed(),
    });
    this.#operators = new OperatorWatch({
      lease: this.#lease,
      link: this.link,
      arm,
      events,
      onLog,
      onLost: () => this.#metrics.count('operatorsLost'),
      onChange: (info) => this.#socketIo?.notice({ type: 'operator', ...info }),
    });
    this.#uploads = new Uploads(paths.uploads);
    this.#metrics = new Metrics({
      clients: () => this.#clients(),
      worker: () => this.link,
      operator: () => this.#lease.holder !== undefined,
      malformed: () => this.#live.malformed,
    });
    options.onMetrics?.(this.#metrics.registry);
    this.#desk = new CommandDesk({
      authenticator: this.#authenticator,
      lease: this.#lease,
      link: this.link,
      uploads: this.#uploads,
      armRequest: (request) => {
        const outcome = arm.request(request);
        options.onControl?.(request);
        return outcome;
      },
      maxMessageBytes,
      maxExecutionMs: config['worker.max_execution_time'] * 1000,
      nowMs,
      onAnswered: (answered) => this.#answered(answered),
    });
    this.#sessions = new Sessions({ lease: this.#lease, authenticator: this.#authenticator, nowMs });
    this.#webSocket = new WebSocketGate({
      sessions: this.#sessions,
      desk: this.#desk,
      lifted: this.#lifted,
      maxMessageBytes,
      onDropped: () => this.#metrics.count('dropped'),
    });
    this.#live = new LiveFeed({
      source: arm,
      events,
      canQuit: options.canQuit ?? false,
      ...(options.onControl === undefined ? {} : { onControl: options.onControl }),
      operator: () => operatorState(this.#lease),
    });
    this.#upgrades = new Upgrades({
      authenticator: this.#authenticator,
      sessions: this.#sessions,
      desk: this.#desk,
      live: this.#live,
      webSocket: this.#webSocket,
      secure: tls !== undefined,
    });
    this.http = createHttp({ tls, authenticator: this.#authenticator, allowedOrigins });
  }

  async open(): Promise<void> {
    const { config, tls, tokens, projects, version, logTail, onLog } = this.#options;
    const secure = tls !== undefined;
    await this.#uploads.open();
    await registerDescription(this.http, {
      version,
      authenticator: this.#authenticator,
      secure,
      health: () => ({ ok: true, clients: this.#live.clients.size, malformed: this.#live.malformed }),
      worker: () => this.link.state,
      metrics: this.#metrics,
    });
    await registerApi(this.http, {
      authenticator: this.#authenticator,
      tokens,
      desk: this.#desk,
      uploads: this.#uploads,
      projects,
      secure,
      maxUploadBytes: config['worker.max_upload_size'],
      status: () => this.#status(),
      logTail,
      onUploaded: (bytes) => this.#metrics.count('uploadBytes', bytes),
    });
    await registerPage(this.http, this.#options);
    await this.http.ready();
    this.#socketIo = attachSocketIo({
      server: this.http.server,
      authenticator: this.#authenticator,
      sessions: this.#sessions,
      desk: this.#desk,
      lifted: this.#lifted,
      secure,
      allowedOrigins: config['websocket.allowed_origins'],
      maxMessageBytes: config['websocket.max_message_size'],
      welcome: (session) => ({
        type: 'welcome',
        session: session.id,
        name: session.identity.name,
        right: session.identity.right,
        operator: operatorInfo(this.#lease).holder,
        version,
      }),
      onDropped: () => this.#metrics.count('dropped'),
      onFault: (thrown) => onLog('error', `a Socket.IO client: ${toMyelinError(thrown).message}`),
    });
    this.http.server.on('upgrade', (request, socket, head) => this.#upgrades.take(request, socket, head));
    this.#live.start();
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#lease.release('released');
      this.#operators[Symbol.dispose]();
      this.#live.close();
      this.#webSocket.close();
      this.#upgrades[Symbol.dispose]();
      await this.#socketIo?.close();
      this.#sessions.close();
      await this.http.close();
      this.link.close();
    })();
    return this.#closing;
  }

  #answered(answered: Answered): void {
    this.#metrics.answered(answered);
    const { protocol, command, who, answer, ms } = answered;
    const level = command === 'stop' ? 'info' : 'debug';
    const { status, code } = answer;
    this.#options.onLog(level, `${who} (${protocol}): ${command}`, { status, code, ms });
  }

  #clients(): Record<string, number> {
    return {
      'socket.io': this.#sessions.count('socket.io'),
      websocket: this.#sessions.count('websocket'),
      page: this.#live.clients.size,
    };
  }

  #status(): GatewayStatus {
    const { version, arm, nowMs } = this.#options;
    return {
      version,
      uptimeS: (nowMs() - this.#startedMs) / 1000,
      worker: { state: this.link.state, status: this.link.status ?? null },
      operator: operatorInfo(this.#lease).holder,
      clients: this.#clients(),
      arm: { segment: arm.segmentName, state: arm.stateName() },
    };
  }
}
