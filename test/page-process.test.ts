import { type ChildProcess, fork } from 'node:child_process';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { ChildMessage } from '../src/remote/gateway/parent-channel.ts';
import { serverMessageSchema } from '../src/remote/gateway/telemetry.ts';
import { uniqueName } from './support/processes.ts';

const CHILD = resolve(import.meta.dirname, 'support/page-child.mjs');

const children: ChildProcess[] = [];

/** `myelin page` as a supervisor starts it. */
function startPage(port: number) {
  const name = uniqueName('pageprocess');
  const child = fork(CHILD, [name, name, String(port)], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part) => (output += String(part)));
  const exited = new Promise<number | string>((done) =>
    child.once('exit', (code, signal) => done(signal ?? code ?? -1)),
  );
  const told: ChildMessage[] = [];
  const ready = new Promise<string>((resolve, reject) => {
    child.on('message', (message: ChildMessage) => {
      told.push(message);
      if (message.kind === 'ready') resolve(message.url);
    });
    void exited.then((how) => reject(new Error(`the page ended (${how}): ${output}`)));
  });
  return { child, exited, ready, told };
}

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

describe('the page process', () => {
  it('says where it is, shows the events of its supervisor, passes requests on, and ends when asked', async () => {
    const { child, exited, ready, told } = startPage(await freePort());
    const url = await ready;
    child.send({ kind: 'event', process: 'infer', text: 'was killed (SIGKILL); restarting in 0.3 s' });
    const socket = new WebSocket(`${url.replace('http', 'ws')}/live`);
    const event = await new Promise((resolve) => {
      socket.on('message', (data, isBinary) => {
        const message = isBinary ? undefined : serverMessageSchema.parse(JSON.parse(String(data)));
        if (message?.type === 'event') resolve(message);
      });
    });
    expect(event).toMatchObject({
      source: 'infer',
      level: 'alarm',
      text: expect.stringContaining('was killed'),
    });
    for (const request of ['reset', 'quit']) socket.send(JSON.stringify({ type: 'request', request }));
    while (told.length < 3) await new Promise((resolve) => child.once('message', resolve));
    expect(told.slice(1)).toEqual([
      { kind: 'control', request: 'reset' },
      { kind: 'control', request: 'quit' },
    ]);
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
  });

  it('ends when its supervisor is gone', async () => {
    const { child, exited, ready } = startPage(await freePort());
    await ready;
    child.disconnect();
    expect(await exited).toBe(0);
  });

  it('takes the next port when another program has the one asked for', async () => {
    const first = startPage(await freePort());
    const taken = Number(new URL(await first.ready).port);
    const second = startPage(taken);
    expect(Number(new URL(await second.ready).port)).toBeGreaterThan(taken);
  });
});
