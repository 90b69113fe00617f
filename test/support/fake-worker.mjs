// A worker of a few lines that speaks the protocol between gateway and worker: fake-worker.mjs COMMAND CALLBACK
// It stands in for the real one where a test wants to decide what the worker does.
import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { Publisher, Router } from 'zeromq';

const [command, callback] = process.argv.slice(2);
for (const address of [command, callback]) rmSync(address.slice('ipc://'.length), { force: true });
const router = new Router({ linger: 0 });
const publisher = new Publisher({ linger: 0 });
await router.bind(command);
await publisher.bind(callback);

let sending = Promise.resolve();
const send = (frames) => {
  sending = sending.then(() => router.send(frames));
};
let publishing = Promise.resolve();
const publish = (message) => {
  publishing = publishing.then(() => publisher.send(JSON.stringify(message)));
};

const seen = { update: 0, start: 0, disconnect: 0 };
const status = () => ({
  pid: process.pid,
  uptimeS: process.uptime(),
  instances: [],
});
setInterval(() => publish({ type: 'status', data: status() }), 1000);

const methods = {
  echo: (args) => args,
  seen: () => seen,
  pid: () => process.pid,
  sleep: ({ ms }) => new Promise((done) => setTimeout(() => done({ slept: ms }), ms)),
  never: () => new Promise(() => undefined),
  big: ({ bytes }) => 'x'.repeat(bytes),
  push: ({ event, data, times = 1 }) => {
    for (let i = 0; i < times; i++) publish({ type: 'push', project: 'fake', event, data: data ?? i });
    return { pushed: times };
  },
  log: ({ text }) => publish({ type: 'log', project: 'fake', stream: 'stdout', text }),
  fail: () => {
    throw Object.assign(new Error('as asked'), { code: 'CALL_FAILED' });
  },
  die: () => process.kill(process.pid, 'SIGKILL'),
};

async function carryOut({ command: name, data = {}, params }) {
  if (name in seen) seen[name] += 1;
  if (name === 'status') return status();
  if (name === 'update') {
    const archive = readFileSync(data.file);
    rmSync(data.file);
    return {
      project: data.project ?? 'default',
      bytes: archive.length,
      sha256: createHash('sha256').update(archive).digest('hex'),
    };
  }
  if (name === 'rollback') return { ...data, version: 'f'.repeat(64), language: 'python', files: 1 };
  if (name !== 'process') return { carriedOut: name, ...data };
  const method = methods[params.method];
  if (method === undefined) throw Object.assign(new Error(`no ${params.method}`), { code: 'CALL_UNKNOWN' });
  return (await method(params.args)) ?? {};
}

async function answer(envelope, request) {
  const { id } = request;
  const reply = (message) => send([...envelope, JSON.stringify({ ...message, id })]);
  const acknowledges = request.command === 'process' && request.reply !== 'result';
  if (acknowledges) reply({ status: 'success', message: 'begun', data: {}, final: request.reply === 'ack' });
  let result;
  try {
    result = { status: 'success', message: 'done', data: await carryOut(request) };
  } catch (error) {
    result = {
      status: 'error',
      message: error.message,
      data: {},
      code: error.code ?? 'INTERNAL',
      hint: 'none',
      retryable: false,
    };
  }
  if (request.command === 'process') publish({ type: 'callback', data: { ...result, id } });
  if (request.reply !== 'ack' || request.command !== 'process') reply(result);
}

console.log('fake worker ready');
for await (const frames of router) {
  void answer(frames.slice(0, -1), JSON.parse(String(frames.at(-1))));
}
