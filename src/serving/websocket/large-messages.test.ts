import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import bufferUtil from 'bufferutil';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { MessageMemory } from '../message-memory.ts';
import { receiveInto } from './large-messages.ts';

/** What a server heard of a client. */
type Heard = { kind: 'message' | 'ping' | 'close'; bytes: Buffer; code?: number };

const MOST_PAYLOAD = 1_000_000;
const memory = new MessageMemory();
const server = createServer();
const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: MOST_PAYLOAD,
});
let patched: (boolean | undefined)[] = [];

beforeEach(async () => {
  patched = [];
  server.removeAllListeners('upgrade');
  server.on('upgrade', (request, stream, head) =>
    sockets.handleUpgrade(request, stream, head, (socket) => {
      patched.push(request.url === '/plain' ? undefined : receiveInto(socket, memory));
      sockets.emit('connection', socket);
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  for (const socket of sockets.clients) socket.terminate();
  await new Promise((resolve) => server.close(resolve));
});

async function open(path: string): Promise<Socket> {
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').setNoDelay();
  client.write(
    `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  );
  await once(client, 'data');
  return client;
}

interface FrameShape {
  readonly opcode: number;
  readonly last: boolean;
  readonly payload: Buffer;
  readonly mask: Buffer;
}

function frame({ opcode, last, payload, mask }: FrameShape): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = (last ? 0x80 : 0) | opcode;
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  const masked = Buffer.alloc(length);
  bufferUtil.mask(payload, mask, masked, 0, length);
  return Buffer.concat([head, mask, masked]);
}

const PATTERN = Buffer.from(Uint8Array.from({ length: 2_000_000 }, (_, i) => i * 31 + (i >> 8)));

/** Sends these bytes in pieces, and gives all that the server made of them. */
async function heard(path: string, bytes: Buffer, cuts: readonly number[]): Promise<Heard[]> {
  const found: Heard[] = [];
  const done = new Promise<void>((resolve) => {
    sockets.once('connection', (socket: WebSocket) => {
      // The message is looked at before its memory is given back, as connections do.
      socket.on('message', (data: RawData) => {
        found.push({ kind: 'message', bytes: Buffer.from(data as Buffer) });
        memory.give(data as Buffer);
      });
      socket.on('ping', (data: Buffer) => found.push({ kind: 'ping', bytes: Buffer.from(data) }));
      socket.on('error', () => undefined);
      socket.on('close', (code: number, reason: Buffer) => {
        found.push({ kind: 'close', code, bytes: Buffer.from(reason) });
        resolve();
      });
    });
  });
  const client = await open(path);
  client.on('error', () => undefined).resume();
  let at = 0;
  for (const cut of [...new Set(cuts)]
    .map((share) => Math.floor(share * bytes.length))
    .sort((a, b) => a - b)) {
    if (cut > at) client.write(bytes.subarray(at, cut));
    at = Math.max(at, cut);
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.end(bytes.subarray(at));
  await done;
  client.destroy();
  return found;
}

const maskOf = fc.oneof(
  fc.constant(Buffer.alloc(4)),
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
);
const sizeOf = fc.oneof(
  fc.nat({ max: 300 }),
  fc.integer({ min: 65_530, max: 65_545 }),
  fc.integer({ min: 65_536, max: 200_000 }),
  fc.constant(MOST_PAYLOAD + 1),
);
const messageOf = fc
  .record({
    kind: fc.constantFrom('whole', 'whole', 'whole', 'parts', 'ping', 'text', 'broken'),
    sizes: fc.array(sizeOf, { minLength: 2, maxLength: 3 }),
    mask: maskOf,
    seed: fc.nat({ max: 255 }),
  })
  .map(({ kind, sizes, mask, seed }) => {
    const payload = (size: number) => PATTERN.subarray(seed, seed + size);
    const [size = 0] = sizes;
    const whole = (opcode: number, bytes: Buffer) => frame({ opcode, last: true, payload: bytes, mask });
    if (kind === 'whole') return whole(2, payload(size));
    if (kind === 'ping') return whole(9, payload(size % 126));
    if (kind === 'text') return whole(1, Buffer.alloc(size, 'a'));
    if (kind === 'broken') return whole(seed % 16, payload(size));
    return Buffer.concat(
      sizes.flatMap((each, i) => [
        frame({ opcode: i === 0 ? 2 : 0, last: i === sizes.length - 1, payload: payload(each), mask }),
        ...(i < sizes.length - 1 ? [whole(9, payload(5))] : []),
      ]),
    );
  });

describe('large messages', () => {
  it('are, with all around them, what ws by itself makes of the same bytes, however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(messageOf, { minLength: 1, maxLength: 4 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 }),
        async (messages, cuts) => {
          const bytes = Buffer.concat([
            ...messages,
            frame({ opcode: 8, last: true, payload: Buffer.from([3, 232]), mask: Buffer.alloc(4, 7) }),
          ]);
          expect(await heard('/', bytes, cuts)).toEqual(await heard('/plain', bytes, cuts));
        },
      ),
      { numRuns: 40 },
    );
    expect(patched).toContain(true);
    expect(patched).not.toContain(false);
  }, 120_000);

  it('come in memory that is used again, and one that stops half-way is no message', async () => {
    const payload = randomBytes(300_000);
    const used: ArrayBufferLike[] = [];
    sockets.once('connection', (socket: WebSocket) => {
      socket.on('message', (data: Buffer) => used.push(data.buffer));
    });
    const whole = frame({ opcode: 2, last: true, payload, mask: Buffer.from([1, 2, 3, 4]) });
    const found = await heard('/', Buffer.concat([whole, whole, whole.subarray(0, 200_000)]), [0.1, 0.3]);
    expect(found.map(({ kind, code }) => [kind, code])).toEqual([
      ['message', undefined],
      ['message', undefined],
      ['close', 1006],
    ]);
    expect(found[1]?.bytes.equals(payload)).toBe(true);
    expect(used[1]).toBe(used[0]);
  });
});
