import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, venvPython } from './venv.ts';

/** A Python with openpi's client and `websockets`; undefined where there is none. */
export const openpiPython = (): string | undefined =>
  venvPython({
    name: 'openpi-venv',
    // openpi-client wants numpy 1, whose newest wheels are for 3.12, and typing_extensions without asking for it.
    minor: [9, 12],
    installs: ['openpi-client==0.1.2 websockets==15.0.1 numpy==1.26.4 typing_extensions==4.15.0'],
  });

/** A Python with the stock `python-socketio` client; undefined where there is none. */
export const socketIoPython = (): string | undefined =>
  venvPython({
    name: 'socketio-venv',
    minor: [9, 12],
    installs: ['python-socketio[client]==5.14.1 websocket-client==1.8.0'],
  });

/** A Python with `pyzmq` and `websockets`; undefined where there is none. */
export const plainPython = (): string | undefined =>
  venvPython({
    name: 'plain-venv',
    minor: [9, 12],
    installs: ['pyzmq==27.1.0 websockets==15.0.1'],
  });

/** openpi is not on PyPI; its server is one file, which imports nothing but its client. */
const SERVER_FILE = join(ROOT, '.cache/openpi/websocket_policy_server.py');
const SERVER_URL =
  'https://raw.githubusercontent.com/Physical-Intelligence/openpi/15a9616a00943ada6c20a0f158e3adb39df2ccac/src/openpi/serving/websocket_policy_server.py';
const SERVER_SHA256 = '1370d345e6c3c5b8f15573050e485e60a5b423d1df33e24b237805e6b442b026';

/** openpi's own server, downloaded once; undefined, said on the console, where GitHub cannot be reached. */
export async function openpiServerFile(): Promise<string | undefined> {
  if (existsSync(SERVER_FILE)) return SERVER_FILE;
  try {
    const response = await fetch(SERVER_URL, { signal: AbortSignal.timeout(20_000) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    mkdirSync(join(ROOT, '.cache/openpi'), { recursive: true });
    const text = await response.text();
    if (createHash('sha256').update(text).digest('hex') !== SERVER_SHA256) throw new Error('another file');
    writeFileSync(SERVER_FILE, text);
    return SERVER_FILE;
  } catch {
    console.log(
      "interop: openpi's own server could not be downloaded, a fake built from its documentation stands in",
    );
    return undefined;
  }
}
