// A camera as a process of its own: node camera-child.mjs NAME SOURCE [STALL_MS]

import { runCamera } from '../../dist/cameras/camera-process.js';
import { toMyelinError } from '../../dist/core/errors.js';

const [name, source, stallMs = '3000'] = process.argv.slice(2);
const end = new AbortController();
process.once('SIGTERM', () => end.abort());
try {
  await runCamera({
    name,
    source,
    stallMs: Number(stallMs),
    signal: end.signal,
    onEvent: (text) => process.stdout.write(`${text}\n`),
  });
  process.stdout.write('ended\n');
} catch (thrown) {
  const { code, message, hint } = toMyelinError(thrown);
  process.stdout.write(`${code}: ${message} (${hint})\n`);
  process.exitCode = 1;
}
