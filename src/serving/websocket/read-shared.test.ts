import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, expect, it } from 'vitest';
import { readShared } from './read-shared.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Both ends of a connection: the one that reads as accepted by a server. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = await accepted;
  cleanups.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => client.destroy(),
    () => socket.destroy(),
  );
  return [client, socket];
}

it('reads all that is sent by several clients, into one buffer, and tells the end', async () => {
  const sent = [randomBytes(900_000), randomBytes(900_000)];
  const buffers = new Set<ArrayBufferLike>();
  const read = await Promise.all(
    sent.map(async (bytes) => {
      const [client, socket] = await pair();
      const parts: Buffer[] = [];
      const takes = (part: Buffer) => {
        buffers.add(part.buffer);
        parts.push(Buffer.from(part));
      };
      expect(readShared(socket, takes)).toBe(true);
      socket.resume();
      client.end(bytes);
      await once(socket, 'end');
      return Buffer.concat(parts);
    }),
  );
  expect(read.map((bytes, i) => sent[i]?.equals(bytes))).toEqual([true, true]);
  expect(buffers.size).toBe(1);
});

it('reads nothing while the socket is paused', async () => {
  const [client, socket] = await pair();
  let bytes = 0;
  readShared(socket, ({ length }) => {
    bytes += length;
    socket.pause();
  });
  socket.resume();
  client.write(Buffer.alloc(3_000_000));
  await expect.poll(() => bytes).toBeGreaterThan(0);
  const first = bytes;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(bytes).toBe(first);
  socket.resume();
  await expect.poll(() => bytes).toBeGreaterThan(first);
});

it('leaves streams alone that are no sockets, and those that have read already', async () => {
  expect(readShared(new PassThrough(), () => undefined)).toBe(false);
  const [client, socket] = await pair();
  client.write('early');
  await once(socket, 'readable');
  expect(readShared(socket, () => undefined)).toBe(false);
});
