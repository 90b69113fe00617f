import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import type { Answer } from '../../remote/protocol/answer.ts';
import type { ClientSetup } from './remote-messages.ts';

const ECHO = { method: 'echo', args: { value: 7 } };

/** One connection of a measuring client: a stock one, whatever server is behind it. */
export interface RemotePeer {
  /** A call of the project, from asking to its result. @throws Error when it fails */
  call(): Promise<void>;
  update(base64: string): Promise<void>;
  stop(): Promise<void>;
  close(): Promise<void>;
}

export const connectPeer = (setup: ClientSetup): Promise<RemotePeer> =>
  setup.protocol === 'socket.io' ? connectSocketIo(setup) : connectWebSocket(setup);

const succeeded = ({ status, message }: Answer): void => {
  if (status === 'error') throw new Error(message);
};

async function connectSocketIo({ url, token }: ClientSetup): Promise<RemotePeer> {
  const socket: Socket = io(url, {
    auth: token === undefined ? {} : { token },
    forceNew: true,
    reconnection: false,
    transports: ['websocket'],
  });
  await new Promise<void>((done, fail) => {
    socket.once('connect', () => done());
    socket.once('connect_error', fail);
  });
  const ask = async (event: string, payload: object) =>
    succeeded((await socket.emitWithAck(event, payload)) as Answer);
  return {
    call: () => ask('process', { params: ECHO }),
    update: (base64) => ask('update', { data: base64 }),
    stop: () => ask('stop', {}),
    close: async () => void socket.disconnect(),
  };
}

async function connectWebSocket({ url, token }: ClientSetup): Promise<RemotePeer> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, {
    perMessageDeflate: false,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  await new Promise<void>((done, fail) => {
    socket.once('open', () => done());
    socket.once('error', fail);
  });
  const waiting = new Map<number, { settle: (answer: Answer) => void; last: Answer['status'] }>();
  let sequence = 0;
  socket.on('message', (data) => {
    const answer = JSON.parse(String(data)) as Answer;
    const asked = waiting.get(Number(answer.id));
    // A call is answered at once, and its result follows.
    if (asked === undefined || (answer.status === 'success' && asked.last === 'callback')) return;
    waiting.delete(Number(answer.id));
    asked.settle(answer);
  });
  const ask = async (message: object, last: Answer['status'] = 'success') => {
    const id = ++sequence;
    const answer = new Promise<Answer>((settle) => waiting.set(id, { settle, last }));
    socket.send(JSON.stringify({ ...message, id }));
    succeeded(await answer);
  };
  return {
    call: () => ask({ command: 'process', params: ECHO }, 'callback'),
    update: (base64) => ask({ command: 'update', data: base64 }),
    stop: () => ask({ command: 'stop' }),
    close: () =>
      new Promise((done) => {
        socket.once('close', () => done());
        socket.close();
      }),
  };
}
