import { connect } from 'node:net';
import { type Finding, ok, problem } from './check.ts';

/** Opens a TCP connection and closes it again. Tells how long it took, or why it could not be. */
export function tcpFinding(
  host: string,
  port: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Finding> {
  const at = `${host}:${port}`;
  return new Promise((resolve) => {
    const startedMs = performance.now();
    const socket = connect({ host, port });
    const settle = (finding: Finding) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(finding);
    };
    const timer = setTimeout(
      () =>
        settle(
          problem(
            `${at} does not answer within ${timeoutMs / 1000} s`,
            `The machine is off, or a firewall drops it. On the server: sudo ufw allow ${port}/tcp; in a cloud: its security group.`,
          ),
        ),
      timeoutMs,
    );
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
    socket.once('connect', () => {
      const connectMs = performance.now() - startedMs;
      settle(ok(`${at} answers, connected in ${connectMs.toFixed(1)} ms`, { connectMs }));
    });
    socket.once('error', (error: NodeJS.ErrnoException) => settle(refusal(at, host, error)));
  });
}

function refusal(at: string, host: string, { code = '', message }: NodeJS.ErrnoException): Finding {
  switch (code) {
    case 'ECONNREFUSED':
      return problem(
        `${at} refuses connections`,
        'No server listens there: start it, check the port, and that it was started with --host 0.0.0.0 or its own address.',
      );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return problem(
        `no machine is called "${host}"`,
        'Check the spelling, or use its address (ip address).',
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return problem(
        `there is no way to ${host} (${code})`,
        'Check cable, Wi-Fi, VPN; then: ping the server.',
      );
    default:
      return problem(`${at} cannot be reached: ${message || code}`, 'Check address and network.');
  }
}
