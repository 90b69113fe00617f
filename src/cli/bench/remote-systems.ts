import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { unixS } from '../../platform/clock.ts';
import { distEntry, packageRoot } from '../../platform/entry.ts';
import { TokenStore } from '../../remote/auth/token-store.ts';
import type { Right } from '../../remote/protocol/right.ts';
import { ArmSegment } from '../../segment/arm-segment.ts';
import { startJsonLines } from './json-lines-child.ts';
import { removeScratch, scratchFolder } from './scratch.ts';

/** A running remote control: gateway, worker, and the project that is uploaded to it. */
export interface RemoteSystem {
  readonly name: string;
  readonly url: string;
  /** Undefined where there are none. */
  readonly tokens: Readonly<Partial<Record<Right, string>>>;
  close(): Promise<void>;
}

/** 100 MB of archive in base64, and room for the rest of the message. */
const MOST_MESSAGE_BYTES = 160 * 1024 * 1024;
const RIVAL = 'tools/bench/remote_rival.py';

/** `myelin gateway` with its own worker, on any port, with a token of each right that is used. */
export async function startMyelin(): Promise<RemoteSystem> {
  const storage = scratchFolder();
  const name = `bench_remote_${process.pid}`;
  // The bit of a stop needs a segment to be set in. Nothing moves: no control process reads it.
  const segment = ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'none' });
  const store = new TokenStore(join(storage, 'tokens.json'), { unixS });
  const tokens: Partial<Record<Right, string>> = {};
  for (const right of ['observe', 'admin'] as const) tokens[right] = (await store.create(right, right)).token;
  const child = spawn(
    process.execPath,
    [
      ...[distEntry('cli/main.js'), 'gateway', '--storage', storage, '--port', '0'],
      ...['--segment', name, '--world', name, '--max-message-size', String(MOST_MESSAGE_BYTES)],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const gone = new Promise<void>((done) => child.once('exit', () => done()));
  const close = async () => {
    child.kill();
    await gone;
    segment.unlink();
    segment.close();
    removeScratch(storage);
  };
  try {
    const url = await new Promise<string>((done, fail) => {
      void gone.then(() => fail(new Error('the gateway ended')));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const found = /Socket\.IO Server: (\S+)/.exec(line)?.[1];
        if (found !== undefined) done(found);
      });
    });
    while ((await fetch(`${url}/readyz`)).status !== 200) await new Promise((done) => setTimeout(done, 20));
    return { name: 'Myelin', url, tokens, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** The same shape in Python. */
export async function startRival(python: string): Promise<RemoteSystem> {
  const folder = scratchFolder();
  const child = startJsonLines([python, join(packageRoot(), RIVAL), folder]);
  const close = async () => {
    await child.close();
    removeScratch(folder);
  };
  try {
    const { port } = await child.next(z.object({ port: z.number() }));
    return { name: 'FastAPI', url: `http://127.0.0.1:${port}`, tokens: {}, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}
