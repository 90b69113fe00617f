import { connect as connectTcp } from 'node:net';
import { WebSocket } from 'ws';
import type { Frame } from './hostile-frames.ts';
import { generator, hostileBytes } from './hostile-frames.ts';

export interface HostileRun {
  readonly url: string;
  readonly frames: number;
  readonly seed: number;
  readonly frame: (random: () => number) => Frame;
  /** Connections at a time. */
  readonly clients: number;
  /** Called now and then. */
  readonly onProgress?: (sent: number) => void;
}

export interface HostileCount {
  answered: number;
  /** Connections that the server closed, by code. */
  closed: Map<number, number>;
}

/** Sends frames one at a time on each connection, and waits for an answer or the end of the connection each time. */
export async function sendHostile(run: HostileRun): Promise<HostileCount> {
  const count: HostileCount = { answered: 0, closed: new Map() };
  let left = run.frames;
  const client = async (seed: number) => {
    const random = generator(seed);
    let socket: Answering | undefined;
    while (left > 0) {
      left -= 1;
      if (left % 10_000 === 0) run.onProgress?.(run.frames - left);
      socket ??= await greet(run.url);
      const end = await socket.ask(run.frame(random));
      if (end === undefined) count.answered += 1;
      else {
        count.closed.set(end, (count.closed.get(end) ?? 0) + 1);
        socket = undefined;
      }
    }
    socket?.close();
  };
  await Promise.all(Array.from({ length: run.clients }, (_, i) => client(run.seed + i)));
  return count;
}

interface Answering {
  /** Resolves with undefined when answered, with the code when the connection ended. */
  ask(frame: Frame): Promise<number | undefined>;
  close(): void;
}

async function greet(url: string): Promise<Answering> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  let settle: (end: number | undefined) => void = () => undefined;
  const outcome = () =>
    new Promise<number | undefined>((resolve) => {
      settle = resolve;
    });
  // openpi's own dialect says in text why it closes; the close is the answer then.
  socket.on('message', (_, isBinary) => {
    if (isBinary || !url.endsWith('/stock')) settle(undefined);
  });
  socket.on('error', () => undefined);
  let closed: number | undefined;
  socket.on('close', (code) => {
    closed = code;
    settle(code);
  });
  const greeting = outcome();
  if ((await greeting) !== undefined) throw new Error(`no greeting (${closed})`);
  return {
    ask: async (frame) => {
      if (closed !== undefined) return closed;
      const answer = outcome();
      socket.send(frame);
      return answer;
    },
    close: () => socket.close(),
  };
}

/** Sends what is no WebSocket at all; every connection must end. */
export async function sendHostileBytes(
  port: number,
  count: number,
  seed: number,
  bytes: (random: () => number) => Uint8Array = hostileBytes,
): Promise<void> {
  const random = generator(seed);
  for (let i = 0; i < count; i++) {
    await new Promise<void>((done) => {
      const socket = connectTcp(port, '127.0.0.1', () => socket.end(bytes(random)));
      socket.on('error', () => undefined);
      socket.on('data', () => undefined);
      socket.on('close', () => done());
      setTimeout(() => socket.destroy(), 100);
    });
  }
}
