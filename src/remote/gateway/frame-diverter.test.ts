import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { divertingServer } from './diverting-web-socket.ts';
import { FrameDiverter } from './frame-diverter.ts';
import { type LiftedChunks, LiftedUploads } from './lifted-uploads.ts';

const MOST = 4 << 20;

/** A client's frame, masked. */
function frame(opcode: number, payload: Buffer, final = true): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = opcode | (final ? 0x80 : 0);
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (length >= 65_536) head.writeBigUInt64BE(BigInt(length), 2);
  else if (length >= 126) head.writeUInt16BE(length, 2);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0))]);
}

/** Texts and control frames as a reader makes them of what was forwarded. */
function read(bytes: Buffer): string[] {
  const heard: string[] = [];
  let text: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] ?? 0;
    const short = (bytes[at + 1] ?? 0) & 0x7f;
    const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
    const length =
      wide === 2 ? bytes.readUInt16BE(at + 2) : wide === 8 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
    const mask = bytes.subarray(at + 2 + wide, at + 6 + wide);
    at += 6 + wide;
    const payload = bytes.subarray(at, at + length).map((byte, i) => byte ^ (mask[i % 4] ?? 0));
    at += length;
    if ((first & 0x0f) >= 8) heard.push(`control ${Buffer.from(payload)}`);
    else {
      text.push(Buffer.from(payload));
      if ((first & 0x80) === 0) continue;
      heard.push(Buffer.concat(text).toString());
      text = [];
    }
  }
  return heard;
}

/** What comes out for bytes that come in, cut where `cuts` say. */
function divert(bytes: Buffer, cuts: readonly number[] = []) {
  const forwarded: Buffer[] = [];
  const kept: LiftedChunks[] = [];
  const diverter = new FrameDiverter({
    maxBytes: MOST,
    forward: (part) => forwarded.push(Buffer.from(part)),
    keep: (lifted) => `NAME${kept.push(lifted)}`,
  });
  const places = [0, ...cuts.map((cut) => cut % bytes.length), bytes.length].sort((a, b) => a - b);
  for (const [i, place] of places.slice(0, -1).entries())
    diverter.take(Buffer.from(bytes.subarray(place, places[i + 1])));
  return { heard: read(Buffer.concat(forwarded)), lifted: kept.map((one) => one.slice(0, one.length)) };
}

/** A message in so many frames, with a ping between two of them. */
function frames(text: string, count: number): Buffer {
  const bytes = Buffer.from(text);
  const size = Math.ceil(bytes.length / count);
  const parts: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    parts.push(frame(i === 0 ? 1 : 0, bytes.subarray(i * size, (i + 1) * size), i === count - 1));
    if (i < count - 1) parts.push(frame(9, Buffer.from('ping')));
  }
  return Buffer.concat(parts);
}

const base64 = randomBytes(150_000).toString('base64');

describe('a long update', () => {
  it('is taken apart however it is cut into frames and chunks, and what surrounds it is left alone', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.nat(), { maxLength: 30 }),
        fc.constantFrom('data', 'zip_data'),
        (count, cuts, key) => {
          const update = JSON.stringify({ command: 'update', project: 'ä', [key]: base64, id: 'after' });
          const stop = frame(1, Buffer.from('{"command":"stop"}'));
          const { heard, lifted } = divert(Buffer.concat([stop, frames(update, count), stop]), cuts);
          expect(heard.filter((text) => text !== 'control ping')).toEqual([
            '{"command":"stop"}',
            update.replace(base64, 'NAME1'),
            '{"command":"stop"}',
          ]);
          expect(heard.filter((text) => text === 'control ping')).toHaveLength(count - 1);
          expect(lifted).toEqual([base64]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('may hold escapes, as some writers of JSON make them', () => {
    const lines = base64.replace(/.{76}/g, '$&\r\n');
    const text = JSON.stringify({ command: 'update', data: lines })
      .replaceAll('/', '\\/')
      .replaceAll('+', '\\u002b');
    for (const cuts of [[], [70_001, 70_002, 70_003, 70_004, 70_005, 70_006, 70_007]])
      expect(divert(frame(1, Buffer.from(text)), cuts).lifted).toEqual([lines]);
    const quoted = `{"data":"${'A'.repeat(70_000)}\\"AA\\\\"}`;
    expect(divert(frame(1, Buffer.from(quoted))).lifted).toEqual([`${'A'.repeat(70_000)}\\AA\\`]);
  });

  it.each([
    ['without an end', `{"data":"${base64}`, '{"data":"'],
    ['that is short', '{"data":"AAAA"}', undefined],
    ['without base64', `{"note":"${base64}"}`, undefined],
    ['of a Socket.IO packet', `421["update",{"data":"${base64}"}]`, '421["update",{"data":"NAME1"}]'],
  ])('or something like it %s is heard as it should be', (_what, text, heard) => {
    expect(divert(frame(1, Buffer.from(text))).heard).toEqual([heard ?? text]);
  });

  it('leaves binary messages and noise as they are', () => {
    const update = Buffer.from(`{"data":"${base64}"}`);
    const binary = frame(2, update);
    expect(divert(binary).heard).toEqual([String(update)]);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.array(fc.nat()), (noise, cuts) => {
        expect(() => divert(Buffer.from(noise), cuts)).not.toThrow(TypeError);
      }),
    );
  });
});

describe('a server of ws behind it', () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  async function connect() {
    const lifted = new LiftedUploads();
    const http = createServer();
    const sockets = divertingServer({ server: http, maxPayload: MOST }, lifted);
    const heard: string[] = [];
    sockets.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.on('message', (data) => {
        const message = JSON.parse(String(data)) as { data?: string };
        const text = lifted.take(message.data ?? '');
        heard.push(text === undefined ? String(data) : text.slice(0, text.length));
        socket.send('heard');
      });
    });
    await new Promise<void>((done) => http.listen(0, '127.0.0.1', () => done()));
    const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
    closing.push(
      () => client.terminate(),
      () => sockets.close(),
      () => http.close(),
    );
    await new Promise((done) => client.once('open', done));
    const closed = new Promise<number>((done) => client.once('close', done));
    return { client, heard, closed };
  }

  it('reads a long update, and short messages before and after it', async () => {
    const { client, heard } = await connect();
    const answers = new Promise<void>((done) => {
      let count = 0;
      client.on('message', () => ++count === 3 && done());
    });
    client.send('{"command":"stop"}');
    client.send(JSON.stringify({ command: 'update', data: base64 }));
    client.send('{"command":"start"}');
    await answers;
    expect(heard).toEqual(['{"command":"stop"}', base64, '{"command":"start"}']);
  });

  it('ends a connection whose message is too long, said at once or in fragments', async () => {
    const whole = await connect();
    whole.client.send(`{"data":"${'A'.repeat(MOST)}"}`);
    expect(await whole.closed).toBe(1009);
    const pieces = await connect();
    pieces.client.send(`{"data":"${'A'.repeat(100_000)}`, { fin: false });
    for (let sent = 0; sent < MOST; sent += 100_000) pieces.client.send('A'.repeat(100_000), { fin: false });
    expect(await pieces.closed).toBe(1009);
  });
});
