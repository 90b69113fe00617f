import { connect } from 'node:net';
import { z } from 'zod';
import { type Finding, ok, problem } from './check.ts';
import type { ServerAddress } from './server-address.ts';

const MAX_BYTES = 64 * 1024;
/** A NATS server speaks first, in plain text, also where it goes on encrypted. */
const INFO = /^INFO (\{.*\})\s*\r?\n/;
const infoSchema = z.object({ version: z.string().max(100), max_payload: z.number().optional() });

/** Whether what listens there is a NATS server. Nothing is asked of it: who may use the pool is not found out. */
export function lookAtNatsServer(
  { host, port }: ServerAddress,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Finding> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let text = '';
    const settle = (finding: Finding) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(finding);
    };
    const none = () =>
      settle(
        problem(
          'it does not introduce itself as a NATS server',
          'Another program at that port? A pool wants a nats-server, usually at 4222.',
        ),
      );
    const timer = setTimeout(none, timeoutMs);
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
    socket.once('error', none);
    socket.once('close', none);
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.includes('\n') || text.length > MAX_BYTES) {
        const info = infoSchema.safeParse(parse(INFO.exec(text)?.[1]));
        if (!info.success) return none();
        const { version, max_payload: maxPayload } = info.data;
        settle(ok(`is a NATS server, version ${version}`, { server: 'nats', version, maxPayload }));
      }
    });
  });
}

function parse(text = ''): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
