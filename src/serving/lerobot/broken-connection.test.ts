import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { LeRobotPolicy } from './client.ts';
import { LeRobotConnection } from './connection.ts';
import { encodeData } from './protobuf.ts';
import { ASYNC_INFERENCE } from './service.ts';
import { CountingPolicy, testServer } from './testing.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What becomes of bytes under way. */
type Fault = (bytes: Buffer) => Buffer;
const sound: Fault = (bytes) => bytes;
const lost: Fault = () => Buffer.alloc(0);

/** A network between a client and a server, which spoils what it carries as it is told. */
class Spoiler {
  toServer = sound;
  toClient = sound;
  readonly clients = new Set<Socket>();
  connections = 0;
  readonly #target: number;
  readonly #server = createServer((client) => {
    const server = connect(this.#target, '127.0.0.1');
    this.connections += 1;
    this.clients.add(client);
    client.on('close', () => this.clients.delete(client));
    for (const [from, to, fault] of [
      [client, server, (bytes: Buffer) => this.toServer(bytes)],
      [server, client, (bytes: Buffer) => this.toClient(bytes)],
    ] as const) {
      from.on('data', (bytes: Buffer) => to.write(fault(bytes)));
      from.on('error', () => to.destroy()).on('close', () => to.destroy());
    }
  });

  constructor(target: number) {
    this.#target = target;
  }

  /** @returns the port to connect to */
  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    cleanups.push(() => {
      this.#server.close();
      for (const client of this.clients) client.destroy();
    });
    return (this.#server.address() as AddressInfo).port;
  }
}

async function spoiledPair() {
  const { server, close } = await testServer(new CountingPolicy());
  cleanups.push(close);
  const network = new Spoiler(server.port);
  const port = await network.start();
  const told: string[] = [];
  const policy = new LeRobotPolicy({
    address: `127.0.0.1:${port}`,
    policyType: 'act',
    pretrainedNameOrPath: 'p',
    actionsPerChunk: 20,
    stateNames: ['j0.pos', 'j1.pos'],
    cameras: [],
    callMs: 1000,
    heartbeatMs: 100,
    onEvent: (text) => told.push(text),
  });
  cleanups.push(() => policy.close());
  let timestep = 0;
  const ask = () =>
    policy.infer({
      timestep: ++timestep,
      timestampNs: 0,
      state: Float64Array.of(0.5, 1),
      velocity: new Float64Array(2),
      cameras: new Map(),
      task: '',
    });
  return { network, port, policy, ask, told };
}

/** `grpc-status` and `grpc-statut` as HTTP/2 compresses them, which differ in a bit. */
const STATUS = Buffer.from('9acac8b21234da8f', 'hex');

/** Once: bytes that belong to no frame, in place of the next ones. */
function garbageOnce(apply: (fault: Fault) => void): void {
  apply((bytes) => {
    apply(sound);
    return Buffer.alloc(bytes.length, 0xe7);
  });
}

describe('a connection whose bytes went astray', () => {
  it('is given up by the client when answers come without a status, though it stays open', async () => {
    const { network, ask, policy, told } = await spoiledPair();
    // The name is sent once and then meant by its number: every later answer on this connection is spoiled too.
    let spoiled = 0;
    network.toClient = (bytes) => {
      const at = bytes.indexOf(STATUS);
      if (at < 0 || spoiled > 0) return bytes;
      spoiled += 1;
      const copy = Buffer.from(bytes);
      copy[at + STATUS.length - 1] = 0x9f;
      return copy;
    };
    await expect(ask()).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    expect(spoiled).toBe(1);
    expect(told.join()).toMatch(/Received HTTP status code 200/);
    expect((await ask()).rows).toBe(20);
    expect(network.connections).toBe(2);
    expect(policy.status.connected).toBe(true);
    await until(() => network.clients.size === 1);
  });

  it.each(['toClient', 'toServer'] as const)(
    'is made anew after garbage %s in the middle, which ends the broken one at both ends',
    async (way) => {
      const { network, ask, policy } = await spoiledPair();
      expect((await ask()).rows).toBe(20);
      const [first] = network.clients;
      garbageOnce((fault) => {
        network[way] = fault;
      });
      await expect(ask()).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
      expect((await ask()).rows).toBe(20);
      expect(policy.status.connected).toBe(true);
      await until(() => first?.destroyed === true && network.clients.size === 1);
    },
  );

  it('ends the other calls that are on it, and is made anew, when it stays open and silent', async () => {
    const { network, port } = await spoiledPair();
    const connection = new LeRobotConnection({ address: `127.0.0.1:${port}` });
    cleanups.push(() => connection.close());
    const ready = (deadlineMs: number) => connection.call(ASYNC_INFERENCE.ready, {}, { deadlineMs });
    await ready(10_000);
    network.toClient = lost;
    const long = ready(60_000);
    const [short, other] = await Promise.allSettled([ready(300), long]);
    for (const call of [short, other])
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'SERVER_UNREACHABLE' } });
    expect(connection.losses).toBe(1);
    network.toClient = sound;
    await ready(10_000);
    expect(network.connections).toBe(2);
    await until(() => network.clients.size === 1);
  });

  it('is kept when the server itself refuses', async () => {
    const { network, port } = await spoiledPair();
    const connection = new LeRobotConnection({ address: `127.0.0.1:${port}` });
    cleanups.push(() => connection.close());
    const call = (requestSerialize: () => Buffer) =>
      connection.call({ ...ASYNC_INFERENCE.sendPolicyInstructions, requestSerialize }, Buffer.alloc(0), {
        deadlineMs: 10_000,
      });
    const waiting = connection.call(ASYNC_INFERENCE.getActions, {}, { deadlineMs: 10_000 });
    const refused = [
      call(() => encodeData(Buffer.from('nonsense'))),
      // The library's server cannot even parse it, and says so with a status of its own.
      call(() => Buffer.from([0x0a, 0xff, 0xff])),
    ];
    for (const each of refused) await expect(each).rejects.toMatchObject({ code: 'SERVER_REFUSED' });
    await waiting;
    expect(network.connections).toBe(1);
    expect(connection.losses).toBe(0);
  });
});

async function until(condition: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(condition()).toBe(true), { timeout: 15_000 });
}
