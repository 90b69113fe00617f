// A model thread that loads well and dies at its first run.
import { parentPort } from 'node:worker_threads';

parentPort.postMessage({ kind: 'ready', loadMs: {}, ports: {} });
parentPort.once('message', () => {
  throw new Error('out of memory, as it were');
});
