import type { Check } from './check.ts';
import { lookAtLeRobotServer, type Probe } from './lerobot-server.ts';
import { lookAtNatsServer } from './nats-server.ts';
import { hostAndPort, type ServerAddress } from './server-address.ts';
import { tcpFinding } from './tcp.ts';
import { lookAtWebSocketServer } from './websocket-server.ts';

export interface ServerAccess {
  readonly token?: string | undefined;
  /** PEM of the authority that signed the server's certificate, or true for the system's. Default: no TLS. */
  readonly tls?: Buffer | true | undefined;
}

/** A round trip of 100 ms, the connection and the handshakes. */
const PER_ROUND_MS = 150;

/** Whether a policy server can be reached and is one, and how far away it is. */
export const serverCheck = (address: ServerAddress, access: ServerAccess, probe: Probe): Check => ({
  name: 'server',
  title: 'Server',
  deadlineMs: 4 * probe.timeoutMs + probe.rounds * PER_ROUND_MS,
  look: async (signal) => {
    const reached = await tcpFinding(address.host, address.port, probe.timeoutMs, signal);
    if (reached.verdict !== 'ok') return [reached];
    if (address.protocol === 'nats')
      return [reached, await lookAtNatsServer(address, probe.timeoutMs, signal)];
    const { token } = access;
    if (address.protocol !== 'lerobot') {
      const authority = Buffer.isBuffer(access.tls) ? access.tls : undefined;
      return [reached, ...(await lookAtWebSocketServer(address, { token, authority }, probe, signal))];
    }
    const tls = access.tls ?? (address.tls ? true : undefined);
    const options = { address: hostAndPort(address), token, tls };
    return [reached, ...(await lookAtLeRobotServer(options, probe, signal))];
  },
});
