import { WebSocket } from 'ws';
import type { PolicySpec } from '../../policies/policy.ts';
import { Engine } from '../engine/engine.ts';
import { EchoPolicy } from '../testing.ts';
import type { ImageEncoding } from './encode-request.ts';
import { Pi05Client } from './pi05-client.ts';
import { type Pi05ServerOptions, startPi05Server } from './pi05-server.ts';

/** A pi0.5 server of an echo, and clients of it, for tests. */
export const closing: (() => Promise<unknown> | unknown)[] = [];
/** Closes what `serve` and `raw` opened; for `afterEach`. */
export async function closeAll(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close();
}

const CAMERAS = [{ name: 'base_0_rgb' }, { name: 'left_wrist_0_rgb', optional: true }];
export const PICTURE = [
  [
    [1, 2, 3],
    [4, 5, 6],
  ],
];
export type Json = Record<string, unknown>;

export async function serve(spec: Partial<PolicySpec> = {}, options: Pi05ServerOptions = {}) {
  const policy = new EchoPolicy({ cameras: CAMERAS, ...spec });
  const engine = new Engine({ policies: new Map([['echo', policy]]) });
  const server = await startPi05Server(engine, { port: 0, ...options });
  closing.push(
    () => engine.close(),
    () => server.close(),
  );
  const url = `ws://127.0.0.1:${server.port}`;
  const client = (more: { images?: ImageEncoding; timeoutMs?: number } = {}) => {
    const made = new Pi05Client({ url, ...more });
    closing.push(() => made.close());
    return made;
  };
  return { policy, engine, server, url, client };
}

/** A client of plain messages, as the seed's. */
export async function raw(url: string) {
  const socket = new WebSocket(url);
  closing.push(() => socket.terminate());
  const messages: Json[] = [];
  let wake = () => {};
  socket.on('message', (data: Buffer) => {
    messages.push(JSON.parse(data.toString()) as Json);
    wake();
  });
  const next = async (wanted: (message: Json) => boolean = () => true): Promise<Json> => {
    for (;;) {
      const at = messages.findIndex(wanted);
      if (at >= 0) return messages.splice(at, 1)[0] as Json;
      await new Promise<void>((done) => {
        wake = done;
      });
    }
  };
  const metadata = await next();
  const send = (message: unknown) =>
    socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  const ask = (message: unknown) => {
    send(message);
    return next(({ type }) => type !== 'subtask_refresh');
  };
  return { socket, metadata, send, ask, next };
}

export const request = (more: Json = {}): Json => ({
  images: { base_0_rgb: PICTURE },
  high_level_prompt: 'Pick up the flashcard on the table',
  state: [1, 2],
  ...more,
});
