import { describe, expect, it } from 'vitest';
import { Engine } from '../serving/engine/engine.ts';
import { startOpenpiServer } from '../serving/openpi/openpi-server.ts';
import { EchoPolicy } from '../serving/testing.ts';
import { openpiServer, openRemotePolicy } from './remote-policy.ts';
import { isRemotePolicy } from './remote-policy-address.ts';

describe('the address of a policy on a server', () => {
  it('is told by its scheme', () => {
    expect(
      ['openpi://gpu:8000', 'openpis://gpu:443/a?robot=aloha', 'pool:nats://gpu'].every(isRemotePolicy),
    ).toBe(true);
    expect(['scripted', 'http://gpu', 'gpu:8000', '', 'openpi'].some(isRemotePolicy)).toBe(false);
  });

  it('opens the policy there, with what the address says', async () => {
    const cameras = [{ name: 'base_0_rgb' }];
    await using engine = new Engine({ policies: new Map([['echo', new EchoPolicy({ cameras })]]) });
    await using server = await startOpenpiServer(engine, { port: 0 });
    const policy = await openRemotePolicy(
      `openpi://127.0.0.1:${server.port}/openpi/policy?actions=1&steps=2&norm=none`,
    );
    expect(policy.spec).toMatchObject({
      chunkRows: 3,
      actionSteps: 2,
      actionNames: ['action_0'],
      cameras: [{ name: 'base_0_rgb' }],
    });
    await policy.close();
  });

  it("maps the server's camera names to the robot's", async () => {
    const server = await openpiServer('openpi://gpu:8000/a?camera=base_0_rgb:front&camera=left_wrist_0_rgb');
    expect(server).toMatchObject({
      url: 'ws://gpu:8000/a',
      cameras: ['base_0_rgb', 'left_wrist_0_rgb'],
      cameraNames: { base_0_rgb: 'front' },
    });
  });

  it.each(['http://ann:secret@box', 'nats://ann:secret@box?jpeg=0', 'nats://ann:secret@box?modle=a'])(
    'of a pool is refused as %s, without its password',
    async (address) => {
      await expect(openRemotePolicy(`pool:${address}`)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.not.stringContaining('secret'),
      });
    },
  );

  it.each(['?rows=0', '?rows=x', '?robto=aloha', '?period=-1', '?mode=other', '?robot=spot'])(
    'is refused with %s',
    async (query) => {
      await expect(openRemotePolicy(`openpi://127.0.0.1:1/${query}`)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    },
  );
});
