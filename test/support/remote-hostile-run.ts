import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { ask, call, connected, type RunningGateway } from './gateway-run.ts';
import { hostileConnection, hostileSocketIo, hostileWebSocket } from './hostile-remote.ts';

/** What a malformed message may be answered with. */
const ANSWERS = [
  'REQUEST_INVALID',
  'ARCHIVE_REFUSED',
  'CALL_UNKNOWN',
  'MESSAGE_TOO_LARGE',
  'QUEUE_FULL',
  // Some are sound after all.
  'success',
];

/** Resident memory of a process, MiB. */
export const memoryMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? Number.NaN) / 1024;

/** Sends that many malformed messages over each protocol; each is to be answered, and the gateway to work on. */
export async function hostileRemoteRun(
  running: RunningGateway,
  messages: number,
  seed: number,
): Promise<void> {
  const { url, port, tokens, gateway, socket } = running;
  const options = { url, token: tokens.admin, messages };
  for (const codes of [
    await hostileWebSocket({ ...options, seed }),
    await hostileSocketIo({ ...options, seed: seed + 1 }),
  ]) {
    expect(ANSWERS).toEqual(expect.arrayContaining([...codes.keys()]));
    expect([...codes.values()].reduce((sum, count) => sum + count, 0)).toBe(messages);
  }
  for (const bytes of [
    '\0\0\0',
    'GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n',
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\xff\xff',
    'POST /socket.io/?EIO=4&transport=polling&sid=none HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n9"["]{}[]',
    'PUT /api/projects/x HTTP/1.1\r\nhost: a\r\ncontent-length: 999999\r\n\r\nshort',
    'GET /%00%ff/..%2f HTTP/1.1\r\nhost: a\r\n\r\n',
  ])
    await hostileConnection(port, bytes);
  expect(gateway.child.exitCode).toBeNull();
  const client = await connected(socket(tokens.admin));
  expect(await ask(client, 'operator', { action: 'take' })).toMatchObject({ status: 'success' });
  expect(await ask(client, 'process', call('echo', [1]))).toMatchObject({ data: [1] });
  client.disconnect();
}
