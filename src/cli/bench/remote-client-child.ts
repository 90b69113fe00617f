/** A measuring client in a process of its own: `node remote-client-child.js SETUP`, then a task a line. */
import { createReadStream, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { type ClientTask, clientSetupSchema, clientTaskSchema, type Times } from './remote-messages.ts';
import { connectPeer } from './remote-peer.ts';

const PROJECT = 'bench';
const setup = clientSetupSchema.parse(JSON.parse(process.argv[2] ?? ''));
const say = (facts: object) => process.stdout.write(`${JSON.stringify(facts)}\n`);
const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

let peer = await connectPeer(setup);
let enough = false;

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

async function times(count: number, work: () => Promise<unknown>): Promise<number[]> {
  const ms: number[] = [];
  for (let i = 0; i < count; i++) ms.push(await timed(work));
  return ms;
}

async function calls(inFlight: number, count: number): Promise<number[]> {
  const ms: number[] = [];
  let left = count;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      ms.push(await timed(() => peer.call()));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return ms;
}

async function http(path: string, init: RequestInit): Promise<string> {
  const { token } = setup;
  const headers = { ...init.headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${setup.url}${path}`, { ...init, headers });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}

/** Newest first. */
async function versions(): Promise<readonly string[]> {
  const text = await http(`/api/projects/${PROJECT}`, {});
  const schema = z.object({ data: z.object({ versions: z.array(z.object({ id: z.string() })) }) });
  return schema.parse(JSON.parse(text)).data.versions.map(({ id }) => id);
}

const put = (file: string) =>
  http(`/api/projects/${PROJECT}`, {
    method: 'PUT',
    headers: { 'content-length': String(statSync(file).size) },
    body: ReadableStream.from(createReadStream(file, { highWaterMark: 1 << 20 })),
    duplex: 'half',
  } as RequestInit);

async function stops(pauseMs: number): Promise<number[]> {
  const ms: number[] = [];
  enough = false;
  while (!enough) {
    ms.push(await timed(() => peer.stop()));
    await pause(pauseMs);
  }
  return ms;
}

const reconnect = async () => {
  peer = await connectPeer(setup);
  await peer.call();
};

async function carryOut(task: Exclude<ClientTask, { do: 'enough' }>): Promise<Partial<Times>> {
  switch (task.do) {
    case 'calls':
      return { ms: await calls(task.inFlight, task.count) };
    case 'upload': {
      const base64 = (await readFile(task.file)).toString('base64');
      return { ms: await times(1, () => peer.update(base64)) };
    }
    case 'put':
      return { ms: await times(1, () => put(task.file)) };
    case 'stops':
      return { ms: await stops(task.pauseMs) };
    case 'reconnects': {
      const ms: number[] = [];
      for (let i = 0; i < task.count; i++) {
        await peer.close();
        ms.push(await timed(reconnect));
      }
      return { ms };
    }
    case 'rollbacks': {
      const answeredMs: number[] = [];
      const ms: number[] = [];
      const [newest, before] = await versions();
      for (let i = 0; i < task.count; i++) {
        const body = JSON.stringify({ version: i % 2 === 0 ? before : newest });
        const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
        const answered = await timed(() => http(`/api/projects/${PROJECT}/rollback`, init));
        answeredMs.push(answered);
        ms.push(answered + (await timed(() => peer.call())));
      }
      return { ms, answeredMs };
    }
  }
}

say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const task = clientTaskSchema.parse(JSON.parse(line));
  if (task.do === 'enough') enough = true;
  else carryOut(task).then(say, fail);
}
await peer.close();

/** The bench reads the last line of what went wrong. */
function fail(thrown: unknown): void {
  process.stderr.write(`${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
  process.exit(1);
}
