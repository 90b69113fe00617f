import { type RawData, WebSocket } from 'ws';
import { z } from 'zod';
import { readMessage } from '../../serving/openpi/msgpack-reader.ts';
import { toPlain } from '../../serving/openpi/wire-value.ts';
import { metadataSchema } from '../../serving/pi05/answers.ts';
import { type Finding, ok, problem, warning } from './check.ts';
import { latencyFinding } from './latency.ts';
import type { Probe } from './lerobot-server.ts';
import { hostAndPort, type ServerAddress } from './server-address.ts';

const MAX_BYTES = 2 ** 20;

interface Access {
  readonly token?: string | undefined;
  readonly authority?: Buffer | undefined;
}

/** The server's first frame, then the latency by WebSocket pings, which ask nothing of the policy. */
export async function lookAtWebSocketServer(
  address: ServerAddress,
  { token, authority }: Access,
  { rounds, fps, timeoutMs }: Probe,
  signal: AbortSignal,
): Promise<Finding[]> {
  const scheme = address.protocol === 'pi05' ? 'Bearer' : 'Api-Key';
  const socket = new WebSocket(`${address.tls ? 'wss' : 'ws'}://${hostAndPort(address)}${address.path}`, {
    perMessageDeflate: false,
    maxPayload: MAX_BYTES,
    handshakeTimeout: timeoutMs,
    ...(authority === undefined ? {} : { ca: authority }),
    headers: token === undefined ? {} : { authorization: `${scheme} ${token}` },
  });
  signal.addEventListener('abort', () => socket.terminate(), { once: true });
  try {
    const greeting = await firstFrame(socket, timeoutMs);
    const handshake = greetingFinding(address, greeting);
    if (handshake.verdict === 'problem') return [handshake];
    return [handshake, await latencyFinding(rounds, fps, signal, () => ping(socket, timeoutMs))];
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const hint = /\b40[13]\b/.test(reason)
      ? 'It wants a --token, or another one.'
      : `Something listens there, but not a ${address.protocol} server.`;
    return [problem(`no handshake: ${reason}`, hint)];
  } finally {
    socket.terminate();
  }
}

type Frame = { readonly data: Buffer; readonly binary: boolean };

/** Undefined when the server says nothing in time. @throws Error when there is no connection */
function firstFrame(socket: WebSocket, timeoutMs: number): Promise<Frame | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(undefined), timeoutMs);
    const settle = (done: () => void) => {
      clearTimeout(timer);
      done();
    };
    socket.on('error', (error) => settle(() => reject(error)));
    socket.once('close', (code) => settle(() => reject(new Error(`it closed the connection (${code})`))));
    socket.once('message', (data: RawData, binary) =>
      settle(() => resolve({ data: data as Buffer, binary })),
    );
  });
}

function greetingFinding({ protocol }: ServerAddress, frame: Frame | undefined): Finding {
  if (frame === undefined)
    return warning('connected, but it does not introduce itself', 'It may still be loading its model.');
  if (protocol === 'pi05') {
    const metadata = metadataSchema.safeParse(readJson(frame));
    if (!metadata.success)
      return problem('its first message is not pi0.5 metadata', 'Another protocol? openpi://...');
    const { server_type: type, version, capabilities } = metadata.data;
    return ok(`shakes hands: ${type} ${version}, can ${capabilities.join(', ')}`, { server: type, version });
  }
  if (!frame.binary)
    return problem(
      `it says: ${frame.data.toString().slice(0, 200)}`,
      'Not openpi, or it refuses: pi05:// is for pi0.5 servers; --token for those that want one.',
    );
  const metadata = z.record(z.string(), z.unknown()).safeParse(readPacked(frame));
  if (!metadata.success)
    return problem('its first message is not openpi metadata', 'Another protocol at that port?');
  const keys = Object.keys(metadata.data).join(', ');
  return ok(`shakes hands: openpi${keys === '' ? '' : `, metadata ${keys.slice(0, 200)}`}`, {
    server: 'openpi',
  });
}

function readJson({ data }: Frame): unknown {
  try {
    return JSON.parse(data.toString());
  } catch {
    return undefined;
  }
}

function readPacked({ data }: Frame): unknown {
  try {
    return toPlain(readMessage(data));
  } catch {
    return undefined;
  }
}

function ping(socket: WebSocket, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const give = (reason: string) => () => settle(() => reject(new Error(reason)));
    const gone = give('it closed the connection');
    const pong = () => settle(resolve);
    const timer = setTimeout(give(`no pong within ${timeoutMs / 1000} s`), timeoutMs);
    const settle = (done: () => void) => {
      clearTimeout(timer);
      socket.off('close', gone);
      socket.off('pong', pong);
      done();
    };
    if (socket.readyState !== WebSocket.OPEN) return gone();
    socket.once('close', gone);
    socket.once('pong', pong);
    socket.ping();
  });
}
