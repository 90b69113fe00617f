import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { describeFailure } from './javascript-failure.ts';
import { giveModules } from './javascript-modules.ts';
import { JavaScriptProject, NotOffered } from './javascript-project.ts';
import { encodeValue } from './javascript-value.ts';

/**
 * Runs one JavaScript project in its own process: `node javascript-runner.js FOLDER ENTRY`, with JSON lines on file
 * descriptors 3 (in) and 4 (out). The messages are described in docs/protocols/remote.md.
 */
const MOST_BYTES = 8 * 1024 * 1024;
const [folder = '', entry = ''] = process.argv.slice(2);

/** Sent by the worker, which is the only one at the other end. Nothing of node_modules is readable in the sandbox. */
interface CallMessage {
  readonly type: 'call';
  readonly id: number;
  readonly object?: string | null;
  readonly method: string;
  readonly args?: readonly unknown[] | Readonly<Record<string, unknown>>;
}
type Message = CallMessage | { readonly type: 'stop'; readonly id: number } | { readonly type: 'close' };

/** Blocks while the pipe is full: order is kept, and nothing is lost when the project leaves right afterwards. */
function write(line: string): void {
  const bytes = Buffer.from(`${line}\n`);
  if (bytes.length > MOST_BYTES) {
    throw new TypeError(`returned ${bytes.length} bytes of JSON; the most is ${MOST_BYTES}`);
  }
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(4, bytes, sent);
}

const send = (message: object): void => write(JSON.stringify(message));

function pushMessage(event: unknown, data: unknown = null): void {
  if (typeof event !== 'string' || event.length === 0 || event.length > 200) {
    throw new TypeError('push_message needs the name of an event, 1 to 200 characters');
  }
  if (event === 'callback') throw new TypeError('the event "callback" is reserved for results');
  write(`{"type":"push","event":${JSON.stringify(event)},"data":${encodeValue(data)}}`);
}

async function answer(
  { id, object, method, args = {} }: CallMessage,
  project: JavaScriptProject,
): Promise<void> {
  try {
    const value = await project.call(object ?? undefined, method, args);
    write(`{"type":"result","id":${id},"value":${encodeValue(value)}}`);
  } catch (thrown) {
    if (thrown instanceof NotOffered) send({ type: 'error', id, unknown: thrown.what, known: thrown.known });
    else send({ type: 'error', id, error: describeFailure(thrown, folder) });
  }
}

async function stop(id: number, project: JavaScriptProject): Promise<void> {
  send({ type: 'result', id, value: await project.stop() });
}

async function main(): Promise<void> {
  Object.assign(globalThis, { push_message: pushMessage, pushMessage });
  const project = new JavaScriptProject(folder);
  const input = new Socket({ fd: 3, readable: true, writable: false });
  // The worker is gone. Nobody would hear what the project still does.
  input.on('error', () => process.exit(0));
  const calls: CallMessage[] = [];
  let busy = false;
  let closing = false;
  const advance = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    await undefined; // Not on the stack of whoever reads.
    for (let next = calls.shift(); next !== undefined && !closing; next = calls.shift()) {
      await answer(next, project);
      // A stop or a close that has come meanwhile is read before the next one begins.
      await new Promise((resolve) => setImmediate(resolve));
    }
    busy = false;
    if (closing) process.exit(0);
  };
  createInterface({ input })
    .on('line', (line) => {
      const message = JSON.parse(line) as Message;
      if (message.type === 'call') calls.push(message);
      else if (message.type === 'close') closing = true;
      // After the call that came before it has begun.
      else setImmediate(() => void stop(message.id, project));
      void advance();
    })
    .on('close', () => process.exit(0));
  giveModules();
  try {
    await project.load(pathToFileURL(`${folder}/${entry}`).href);
  } catch (thrown) {
    send({ type: 'error', id: null, error: describeFailure(thrown, folder) });
    process.exit(1);
  }
  send({ type: 'ready', objects: project.objects(), functions: project.functions(), ahead: true });
}

await main();
