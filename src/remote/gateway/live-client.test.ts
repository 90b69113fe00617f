import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { DROP_ABOVE_BYTES, LiveClient, SKIP_ABOVE_BYTES } from './live-client.ts';
import { sampleTelemetry } from './sample-telemetry.fixture.ts';
import { encodeMessage } from './telemetry.ts';

/** A socket whose other end never reads. */
class StuckSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;

  send(data: string | Uint8Array): void {
    this.bufferedAmount += data.length;
  }

  close(): void {}

  terminate(): void {
    this.readyState = 3;
  }
}

const clientOn = (socket: StuckSocket, asked: string[] = []) =>
  new LiveClient(socket as unknown as WebSocket, {
    onRequest: (request) => {
      asked.push(request);
      return { ok: true, text: 'done' };
    },
    onOperator: async (action) => {
      asked.push(action);
      return { ok: false, text: 'no' };
    },
    onHeard: () => undefined,
    onMalformed: () => asked.push('malformed'),
  });

describe('a client that does not read', () => {
  it('misses telemetry and pictures instead of filling memory', () => {
    const socket = new StuckSocket();
    const client = clientOn(socket);
    const picture = new Uint8Array(60_000);
    for (let round = 0; round < 1000; round++) client.sendIfKeepingUp(picture);
    expect(socket.bufferedAmount).toBeLessThan(SKIP_ABOVE_BYTES + picture.length + 1);
    expect(client.skipped).toBeGreaterThan(990);
    expect(socket.readyState).toBe(socket.OPEN);
  });

  it('is dropped when even the answers pile up', () => {
    const socket = new StuckSocket();
    const client = clientOn(socket);
    const message = sampleTelemetry();
    const bytes = encodeMessage(message).length;
    for (let sent = 0; sent <= DROP_ABOVE_BYTES + 2 * bytes; sent += bytes) client.send(message);
    expect(socket.readyState).toBe(3);
    expect(socket.bufferedAmount).toBeLessThan(DROP_ABOVE_BYTES + 2 * bytes);
  });

  it('still stops the arm', () => {
    const socket = new StuckSocket();
    const asked: string[] = [];
    clientOn(socket, asked);
    socket.bufferedAmount = SKIP_ABOVE_BYTES * 2;
    socket.emit('message', Buffer.from('{"type":"request","request":"stop"}'), false);
    expect(asked).toEqual(['stop']);
  });
});
