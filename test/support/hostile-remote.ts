import { connect } from 'node:net';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import type { Answer } from '../../src/remote/protocol/answer.ts';
import { generator } from './hostile-frames.ts';

type Random = () => number;

const pick = <T>(random: Random, choices: readonly T[]): T =>
  choices[Math.floor(random() * choices.length)] as T;
const noise = (random: Random, most: number, top = 0xd7ff): string =>
  String.fromCharCode(
    ...Array.from({ length: Math.floor(random() * most) }, () => Math.floor(random() * top)),
  );

/** A value that is never what was asked for. */
const nonsense = (random: Random): unknown =>
  pick<() => unknown>(random, [
    () => null,
    () => random() * 1e300,
    () => noise(random, 40),
    () => [],
    () => [[[[[[{}]]]]]],
    () => ({ __proto__: { admin: true }, constructor: 1 }),
    () => ({ toString: 1, valueOf: null }),
    () => true,
    () => 'x'.repeat(Math.floor(random() * 70_000)),
  ])();

/** Something with the shape of a request and a fault in it. */
const nearly = (random: Random): Record<string, unknown> => {
  const request: Record<string, unknown> = pick(random, [
    { command: 'update', data: '%%%' },
    { command: 'update' },
    { command: 'process', params: { method: '' } },
    { command: 'process', params: { object: {}, method: 'echo', args: 7 } },
    { command: 'process', params: { method: 'x'.repeat(300) } },
    { command: 'start', project: '' },
    { command: 'operator', action: 'seize' },
    { command: 'reboot' },
    { command: ['stop'] },
    {},
  ]);
  return random() < 0.5
    ? { ...request, [pick(random, ['command', 'params', 'id', 'extra'])]: nonsense(random) }
    : request;
};

/** A WebSocket message that is not a request; every one is to be answered. */
export function hostileText(random: Random): string | Buffer {
  const text = () => JSON.stringify(nearly(random)) ?? '';
  return pick<() => string | Buffer>(random, [
    () => noise(random, 200),
    () =>
      Buffer.from(Array.from({ length: 1 + Math.floor(random() * 200) }, () => Math.floor(random() * 256))),
    () => text().slice(0, Math.floor(random() * 60)),
    () => '['.repeat(Math.floor(random() * 5000)),
    () => `{"command":"update","data":"${'A'.repeat(70_000)}`,
    () => `{"command":"update","data":"${'%'.repeat(70_000)}"}`,
    () => JSON.stringify(nonsense(random)) ?? 'x',
    text,
    text,
    text,
  ])();
}

export interface HostileOptions {
  readonly url: string;
  readonly token: string;
  readonly messages: number;
  readonly seed: number;
}

/** Sends messages to `/ws`, up to a hundred ahead of their answers. Resolves with the codes of the answers. */
export async function hostileWebSocket(options: HostileOptions): Promise<ReadonlyMap<string, number>> {
  const { url, token, messages, seed } = options;
  const random = generator(seed);
  const codes = new Map<string, number>();
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, {
    headers: { authorization: `Bearer ${token}` },
  });
  let sent = 0;
  let answered = 0;
  await new Promise<void>((done, fail) => {
    const more = () => {
      while (sent < messages && sent - answered < 100) {
        sent += 1;
        socket.send(hostileText(random));
      }
      if (answered === messages) done();
    };
    socket.on('open', more);
    socket.on('message', (data) => {
      const answer = JSON.parse(String(data)) as Answer;
      // The result of a call that was well-formed after all is one too many.
      if (answer.status === 'callback') return;
      codes.set(answer.code ?? answer.status, (codes.get(answer.code ?? answer.status) ?? 0) + 1);
      answered += 1;
      more();
    });
    socket.on('close', (code) => fail(new Error(`closed with ${code} after ${answered} answers`)));
    socket.on('error', fail);
  });
  socket.removeAllListeners('close');
  socket.close();
  return codes;
}

/** A payload for a Socket.IO event, and the event. */
export function hostileEvent(random: Random): readonly [string, ...unknown[]] {
  const event = pick(random, ['update', 'start', 'process', 'operator', 'reboot', '', noise(random, 20)]);
  const { command: _command, ...payload } = nearly(random);
  return pick<() => readonly [string, ...unknown[]]>(random, [
    () => [event, payload],
    () => [event, nonsense(random)],
    () => [event],
    () => [event, payload, nonsense(random)],
    () => [event, Buffer.from(noise(random, 30))],
  ])();
}

/** Sends events, up to a hundred ahead of their acknowledgements. Resolves with the codes of the answers. */
export async function hostileSocketIo(options: HostileOptions): Promise<ReadonlyMap<string, number>> {
  const { url, token, messages, seed } = options;
  const random = generator(seed);
  const codes = new Map<string, number>();
  const socket = io(url, { auth: { token }, transports: ['websocket'], reconnection: false, forceNew: true });
  await new Promise<void>((done, fail) => {
    socket.once('connect', () => done());
    socket.once('connect_error', fail);
  });
  socket.once('disconnect', (reason) => codes.set(`disconnected: ${reason}`, 1));
  for (let sent = 0; sent < messages; ) {
    const batch = Array.from({ length: Math.min(100, messages - sent) }, () => hostileEvent(random));
    const answers = (await Promise.all(
      batch.map(([event, ...args]) => socket.timeout(60_000).emitWithAck(event, ...args)),
    )) as Answer[];
    for (const { code, status } of answers) codes.set(code ?? status, (codes.get(code ?? status) ?? 0) + 1);
    sent += batch.length;
  }
  socket.disconnect();
  codes.delete('disconnected: io client disconnect');
  return codes;
}

/** Bytes that are no request of any protocol here, on a connection of their own. */
export async function hostileConnection(port: number, bytes: string | Buffer): Promise<void> {
  await new Promise<void>((done) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    socket.on('close', () => done()).on('error', () => done());
    socket.setTimeout(5000, () => socket.destroy());
    socket.resume();
  });
}
