import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRemotePolicy } from '../src/cli/remote-policy.ts';
import type { Observation } from '../src/core/observation.ts';
import { LeRobotPolicy } from '../src/serving/lerobot/client.ts';
import { noOpenssl, type TestCertificate, testCertificate } from '../src/serving/test-certificate.ts';
import { myelin, type Started } from './support/processes.ts';

const token = 'a-long-enough-token';
const rgb = new Uint8Array(12);
const SEEN: Observation = {
  timestep: 1,
  timestampNs: 1,
  state: Float64Array.of(1, 2, 3, 4, 5, 6, 7),
  velocity: new Float64Array(7),
  cameras: new Map([
    ['base_0_rgb', { name: 'base_0_rgb', width: 2, height: 2, rgb, capturedNs: 1, sequence: 1 }],
  ]),
  task: '',
};

/** The command's own flags and addresses, end to end. */
describe.skipIf(noOpenssl !== undefined)(
  `myelin policy-server over TLS${noOpenssl ? ` (${noOpenssl})` : ''}`,
  () => {
    let tls: TestCertificate;
    beforeAll(() => {
      tls = testCertificate();
    });
    afterAll(() => tls.remove());

    const serve = (...more: string[]): Started =>
      myelin(
        [
          'policy-server',
          '--policy',
          'noop',
          '--port',
          '0',
          '--openpi-port',
          '0',
          '--pi05-port',
          '0',
          ...more,
        ],
        { MYELIN_TOKEN: token },
      );
    const portOf = async (server: Started, protocol: string): Promise<string> =>
      (await server.says(new RegExp(`${protocol} \\(\\w+\\) at [^:]+:\\d+`))).split(':')[1] as string;

    it('serves openpis://, pi05s:// and LeRobot clients that trust its certificate and show the token', async () => {
      const server = serve('--tls-cert', tls.certificateFile, '--tls-key', tls.keyFile);
      const ca = `ca=${encodeURIComponent(tls.certificateFile)}`;
      for (const [scheme, protocol] of [
        ['openpis', 'openpi'],
        ['pi05s', 'pi0.5'],
      ] as const) {
        const address = `${scheme}://localhost:${await portOf(server, protocol)}`;
        const policy = await openRemotePolicy(`${address}?${ca}`, undefined, { token });
        expect((await policy.infer(SEEN)).actions[0]).toBe(1);
        await policy.close();
        await expect(
          openRemotePolicy(`${address}?${ca}`, undefined, { token: 'another-token' }),
        ).rejects.toThrow(/401/);
        await expect(openRemotePolicy(address, undefined, { token })).rejects.toMatchObject({
          code: 'SERVER_UNREACHABLE',
        });
      }
      const lerobot = new LeRobotPolicy({
        address: `localhost:${await portOf(server, 'LeRobot')}`,
        policyType: 'noop',
        pretrainedNameOrPath: 'noop',
        actionsPerChunk: 10,
        stateNames: Array.from({ length: 7 }, (_, i) => `j${i}`),
        cameras: [],
        token,
        tls: tls.certificate,
      });
      expect((await lerobot.infer(SEEN)).actions[0]).toBe(1);
      await lerobot.close();
      expect(server.output()).not.toContain(token);
    });

    it('opens no door to the network without both, unless told to', async () => {
      for (const flags of [[], ['--tls-cert', tls.certificateFile, '--tls-key', tls.keyFile]]) {
        const server = myelin(
          ['policy-server', '--policy', 'noop', '--host', '0.0.0.0', '--port', '0', ...flags],
          {
            MYELIN_TOKEN: '',
          },
        );
        expect(await server.exited).toBe(1);
        expect(server.output()).toMatch(/no token is asked for/);
      }
      const half = serve('--tls-cert', tls.certificateFile);
      expect(await half.exited).toBe(1);
      expect(half.output()).toContain('--tls-key');
    });
  },
);
