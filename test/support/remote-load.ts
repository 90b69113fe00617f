import { WebSocket } from 'ws';
import { HttpClient } from '../../src/remote/client/http-client.ts';
import { MyelinClient } from '../../src/remote/client/index.ts';
import { ProjectsClient } from '../../src/remote/client/projects-client.ts';
import type { Answer } from '../../src/remote/protocol/answer.ts';
import { zip } from './zip-writer.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** Longer than every deadline that the gateway has for these calls. */
const LOST_MS = 60_000;

/** What became of the requests of a load: each is answered, or failed with a reason; `lost` were neither. */
export interface Tally {
  answered: number;
  refused: number;
  readonly reasons: Map<string, number>;
  readonly lost: string[];
}

export const newTally = (): Tally => ({ answered: 0, refused: 0, reasons: new Map(), lost: [] });

function refuse(tally: Tally, reason: string): void {
  tally.refused += 1;
  tally.reasons.set(reason, (tally.reasons.get(reason) ?? 0) + 1);
}

/** A request that is never settled is the fault that is looked for. */
async function watched<T>(tally: Tally, what: string, request: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((done) => {
    timer = setTimeout(() => {
      tally.lost.push(what);
      done(undefined);
    }, LOST_MS);
  });
  try {
    return await Promise.race([request, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A load that goes on until it is stopped, whatever happens to the other end. */
export abstract class Load {
  readonly tally = newTally();
  protected stopped = false;
  readonly #lanes: Promise<void>[] = [];

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.#lanes);
    this.close();
  }

  protected begin(lanes: number, turn: (lane: number) => Promise<void>): void {
    for (let lane = 0; lane < lanes; lane++) {
      this.#lanes.push(
        (async () => {
          while (!this.stopped) await turn(lane);
        })(),
      );
    }
  }

  protected abstract close(): void;
}

/** Calls over Socket.IO by Myelin's client, which connects again by itself. */
export class SocketIoLoad extends Load {
  readonly client: MyelinClient;
  #sequence = 0;

  constructor(url: string, token: string, lanes: number) {
    super();
    this.client = new MyelinClient({ url, token, reconnectMs: 50, reconnectMaxMs: 200 });
    this.begin(lanes, async () => {
      const number = ++this.#sequence;
      try {
        const call = this.client.call('echo', { value: number }, { timeoutMs: LOST_MS / 2 });
        const answer = await watched(this.tally, `call ${number} over Socket.IO`, call);
        if (answer === number) this.tally.answered += 1;
        else if (answer !== undefined) this.tally.lost.push(`call ${number} was answered with ${answer}`);
      } catch (thrown) {
        const { code = 'an error without a code' } = thrown as { code?: string };
        // A client that waits for its answer until it gives up has lost it.
        if (code === 'ANSWER_TIMEOUT') this.tally.lost.push(`call ${number} over Socket.IO`);
        else refuse(this.tally, code);
        await pause(20);
      }
    });
  }

  /** Becomes the operator, if it is connected. */
  async operate(): Promise<void> {
    await this.client.operator('take').catch(() => undefined);
  }

  protected close(): void {
    this.client.close();
  }
}

/** Calls over `/ws`: each has an answer at once and its result, or an error, or the end of its connection. */
export class WebSocketLoad extends Load {
  readonly #url: string;
  readonly #token: string;
  readonly #waiting = new Map<number, (outcome: Answer | 'the connection ended') => void>();
  #socket: WebSocket | undefined;
  #sequence = 0;

  constructor(url: string, token: string, lanes: number) {
    super();
    this.#url = `${url.replace('http', 'ws')}/ws`;
    this.#token = token;
    this.begin(lanes, async (lane) => {
      const socket = this.#socket;
      if (socket?.readyState !== WebSocket.OPEN) {
        if (lane === 0) await this.#connect();
        else await pause(20);
        return;
      }
      const id = ++this.#sequence;
      const outcome = new Promise<Answer | 'the connection ended'>((done) => this.#waiting.set(id, done));
      socket.send(
        JSON.stringify({ command: 'process', id, params: { method: 'echo', args: { value: id } } }),
      );
      const answer = await watched(this.tally, `call ${id} over /ws`, outcome);
      this.#waiting.delete(id);
      if (answer === undefined) return;
      if (answer !== 'the connection ended' && answer.code === undefined) {
        if (answer.data === id) this.tally.answered += 1;
        else this.tally.lost.push(`call ${id} was answered with ${JSON.stringify(answer)}`);
        return;
      }
      refuse(this.tally, answer === 'the connection ended' ? 'CONNECTION_LOST' : (answer.code ?? ''));
      await pause(20);
    });
  }

  /** Becomes the operator, if it is connected. */
  async operate(): Promise<void> {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ command: 'operator', action: 'take' }));
  }

  protected close(): void {
    this.#socket?.terminate();
  }

  async #connect(): Promise<void> {
    const socket = new WebSocket(this.#url, { headers: { authorization: `Bearer ${this.#token}` } });
    socket.on('message', (data) => {
      const answer = JSON.parse(String(data)) as Answer;
      // The answer at once says only that it has begun.
      if (answer.status !== 'success') this.#waiting.get(Number(answer.id))?.(answer);
    });
    const ended = () => {
      for (const done of [...this.#waiting.values()]) done('the connection ended');
    };
    await new Promise<void>((done) => {
      socket.once('open', () => {
        this.#socket = socket;
        done();
      });
      socket.on('error', () => done());
      socket.on('close', () => {
        ended();
        done();
      });
    });
    if (socket.readyState !== WebSocket.OPEN) await pause(50);
  }
}

/** The files of an upload, all of which say which one it is: a mixture of two is seen. */
export const STAMPED_FILES = ['main.py', ...Array.from({ length: 20 }, (_, i) => `part${i}.txt`)];

export const stampedProject = (main: string, stamp: number): Buffer =>
  zip(
    STAMPED_FILES.map((name) => ({
      name,
      data: name === 'main.py' ? `${main}\nSTAMP = ${stamp}\n` : `${stamp}\n`.repeat(2000),
      method: 8,
    })),
  );

/** Uploads one version after the other. */
export class UploadLoad extends Load {
  readonly #projects: ProjectsClient;
  #stamp = 0;

  constructor(url: string, token: string, project: string, main: string, everyMs: number) {
    super();
    // Over HTTP alone: a connection might become the operator.
    this.#projects = new ProjectsClient(new HttpClient({ url, token }));
    this.begin(1, async () => {
      const stamp = ++this.#stamp;
      try {
        const archive = new Uint8Array(stampedProject(main, stamp));
        const upload = this.#projects.upload(project, archive);
        if ((await watched(this.tally, `upload ${stamp}`, upload)) !== undefined) this.tally.answered += 1;
      } catch (thrown) {
        refuse(this.tally, (thrown as { code?: string }).code ?? String(thrown));
      }
      await pause(everyMs);
    });
  }

  protected close(): void {}
}
