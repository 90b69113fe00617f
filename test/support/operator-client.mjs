// A Socket.IO client that becomes the operator and stays: operator-client.mjs URL TOKEN
import { io } from 'socket.io-client';

const [url, token] = process.argv.slice(2);
const socket = io(url, { auth: { token }, transports: ['websocket'] });
socket.on('connect', async () => {
  const { data } = await socket.emitWithAck('operator', {});
  console.log(data.holder === null ? 'watching' : 'operating');
});
