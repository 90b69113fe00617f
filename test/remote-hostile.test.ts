import { describe, expect, it } from 'vitest';
import { startGatewayProcess } from './support/gateway-run.ts';
import { hostileRemoteRun } from './support/remote-hostile-run.ts';

describe('malformed messages of remote control', () => {
  it('are each answered over WebSocket and Socket.IO, and harm nobody', async () => {
    const running = await startGatewayProcess();
    await hostileRemoteRun(running, 2000, 1);
    expect(running.gateway.output()).not.toContain('defect');
  });
});
