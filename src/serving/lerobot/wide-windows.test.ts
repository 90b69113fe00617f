import { once } from 'node:events';
import { connect } from 'node:http2';
import { Server } from '@grpc/grpc-js';
import { expect, it, vi } from 'vitest';
import { CountingPolicy, testServer } from './testing.ts';
import { FRAME_BYTES, WINDOW_BYTES, wideWindows } from './wide-windows.ts';

it('clients may send an observation without waiting for a word of the server', async () => {
  const { server, close } = await testServer(new CountingPolicy());
  const session = connect(`http://127.0.0.1:${server.port}`);
  try {
    const [settings] = await once(session, 'remoteSettings');
    expect(settings).toMatchObject({
      initialWindowSize: WINDOW_BYTES,
      maxFrameSize: FRAME_BYTES,
      maxConcurrentStreams: 32,
    });
    // What the connection as a whole may send is told apart from what each stream may.
    await vi.waitFor(() => expect(session.state.remoteWindowSize).toBe(WINDOW_BYTES));
  } finally {
    session.destroy();
    await close();
  }
});

it('leaves a server alone that is built otherwise', () => {
  const server = new Server();
  expect(wideWindows(server)).toBeTypeOf('function');
  expect(() => wideWindows(server)()).not.toThrow();
});
