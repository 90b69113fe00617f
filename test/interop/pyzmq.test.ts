import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/gateway-run.ts';
import { myelin, start } from '../support/processes.ts';
import { plainPython } from './python-peers.ts';
import { ROOT } from './venv.ts';

const program = plainPython();

describe.skipIf(program === undefined)('a stock pyzmq peer', () => {
  it('updates, starts and calls over REQ, and hears the results over SUB', async () => {
    const storage = temporaryFolder();
    const sockets = ['cmd', 'callback'].map((name) => `ipc://${join(storage, `${name}.ipc`)}`);
    const [commands = '', callbacks = ''] = sockets;
    const flags = ['--storage', storage, '--command-socket', commands, '--callback-socket', callbacks];
    const worker = myelin(['worker', ...flags]);
    await worker.says(/Worker ready/, 60_000);
    const script = join(ROOT, 'test/interop/python/zmq_worker.py');
    const peer = start([program ?? '', script, ...sockets]);
    expect(await peer.exited, peer.output()).toBe(0);
    const installed = { project: 'main', language: 'python', files: 1 };
    expect(JSON.parse(peer.output().trim().split('\n').at(-1) ?? '')).toMatchObject({
      status: { type: 'status', data: { pid: worker.pid } },
      update: { status: 'success', message: 'Project updated', data: installed },
      again: { status: 'success', data: installed },
      start: {
        status: 'success',
        message: 'Project started',
        data: { objects: { sport_client: ['StandUp'] } },
      },
      process: { status: 'success', message: 'Accepted', data: {} },
      callback: {
        type: 'callback',
        data: { status: 'callback', data: { standing: true, height: 2 } },
      },
      push: { type: 'push', event: 'stood' },
      positions: { type: 'callback', data: { data: { height: 3 } } },
      unknown: { type: 'callback', data: { code: 'CALL_UNKNOWN', hint: expect.any(String) } },
      no_params: { status: 'error', code: 'REQUEST_INVALID', hint: expect.stringContaining('params') },
      no_command: { status: 'error', code: 'REQUEST_INVALID' },
      no_json: { status: 'error', code: 'MESSAGE_INVALID' },
    });
    worker.child.kill('SIGTERM');
    expect(await worker.exited).toBe(0);
  });
});
