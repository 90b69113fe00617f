import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noOpenssl, type TestCertificate, testCertificate } from '../../src/serving/test-certificate.ts';
import { startGatewayProcess } from '../support/gateway-run.ts';
import { myelin, start } from '../support/processes.ts';
import { plainPython, socketIoPython } from './python-peers.ts';
import { ROOT } from './venv.ts';

const program = socketIoPython();

const plain = plainPython();
const SCRIPTS = join(ROOT, 'test/interop/python');

/** What a script reports in its last line. */
async function report(python: string | undefined, script: string, ...args: string[]): Promise<unknown> {
  const client = start([python ?? '', join(SCRIPTS, script), ...args]);
  expect(await client.exited, client.output()).toBe(0);
  return JSON.parse(client.output().trim().split('\n').at(-1) ?? '');
}

const WHOLE = {
  update: { status: 'success', data: { bytes: 300_000 } },
  start: { status: 'success' },
  process: { status: 'success', data: { n: 7 } },
  wrong: { status: 'error', code: 'REQUEST_INVALID' },
  stop: { status: 'success' },
  pushed: { count: 1 },
  refused: expect.any(String),
};

describe.skipIf(program === undefined)('the stock python-socketio client', () => {
  it.each(['websocket', 'polling'])(
    'updates, starts, calls, stops and hears pushes over %s',
    async (transport) => {
      const { url, tokens } = await startGatewayProcess();
      expect(await report(program, 'socketio_client.py', url, tokens.deploy, transport)).toMatchObject(WHOLE);
    },
  );
});

describe.skipIf(noOpenssl !== undefined)(`a gateway with TLS${noOpenssl ? ` (${noOpenssl})` : ''}`, () => {
  let tls: TestCertificate;
  beforeAll(() => {
    tls = testCertificate();
  });
  afterAll(() => tls.remove());
  const secure = async () => {
    const flags = ['--tls-cert', tls.certificateFile, '--tls-key', tls.keyFile];
    const running = await startGatewayProcess(flags);
    return { ...running, address: `https://localhost:${running.port}` };
  };

  it.skipIf(program === undefined).each(['websocket', 'polling'])(
    'serves the stock python-socketio client over %s',
    async (transport) => {
      const { address, tokens } = await secure();
      expect(
        await report(program, 'socketio_client.py', address, tokens.deploy, transport, tls.certificateFile),
      ).toMatchObject(WHOLE);
    },
  );

  it.skipIf(plain === undefined)(
    'serves HTTPS and wss to Python, and nobody who does not trust it',
    async () => {
      const { address, tokens } = await secure();
      expect(await report(plain, 'tls_client.py', address, tokens.deploy, tls.certificateFile)).toMatchObject(
        {
          ready: 200,
          status: 200,
          untrusting: 'SSLCertVerificationError',
          wss: [
            { status: 'success', id: 1 },
            { status: 'callback', id: 1, data: [7] },
          ],
        },
      );
    },
  );

  it('tells myelin health that it is ready', async () => {
    const { port } = await secure();
    const health = myelin(['health', '--port', String(port), '--tls-cert', tls.certificateFile]);
    expect([await health.exited, health.output()]).toEqual([
      0,
      expect.stringMatching(/^https:.*readyz: 200/),
    ]);
  });
});
