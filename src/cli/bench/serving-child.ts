/**
 * One end of a round trip in a process of its own, as `node serving-child.js server` (both WebSocket protocols with the
 * policy that does nothing) or `node serving-child.js client PORT COUNT CAMERAS HEIGHT WIDTH` (openpi
 * requests, a round at each line read).
 */
import { createInterface } from 'node:readline';
import { collectRarely } from '../../platform/heap-growth.ts';
import { Engine } from '../../serving/engine/engine.ts';
import { createNoopPolicy } from '../../serving/engine/noop-policy.ts';
import { openOpenpiPolicy } from '../../serving/openpi/open-openpi-policy.ts';
import { startOpenpiServer } from '../../serving/openpi/openpi-server.ts';
import { startPi05Server } from '../../serving/pi05/pi05-server.ts';

collectRarely();

const [role, ...rest] = process.argv.slice(2);
const say = (facts: object) => process.stdout.write(`${JSON.stringify(facts)}\n`);

if (role === 'server') {
  const engine = new Engine({ policies: new Map([['noop', createNoopPolicy()]]) });
  const openpi = await startOpenpiServer(engine, { port: 0 });
  const pi05 = await startPi05Server(engine, { port: 0 });
  say({ port: openpi.port, pi05Port: pi05.port });
} else {
  const [port = 0, count = 0, cameraCount = 0, height = 0, width = 0] = rest.map(Number);
  const cameras = ['base_0_rgb', 'left_wrist_0_rgb', 'right_wrist_0_rgb'].slice(0, cameraCount);
  const policy = await openOpenpiPolicy({
    url: `ws://127.0.0.1:${port}/plain`,
    robot: 'generic',
    cameras,
    chunkRows: 50,
    actionLength: 7,
  });
  const rgb = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 7) % 255);
  const observation = {
    timestep: 0,
    timestampNs: 0,
    state: new Float64Array(7),
    velocity: new Float64Array(7),
    cameras: new Map(cameras.map((name) => [name, { name, width, height, rgb, capturedNs: 0, sequence: 0 }])),
    task: 'nothing',
  };
  say({ ready: true });
  for await (const _ of createInterface({ input: process.stdin })) {
    const ms: number[] = [];
    for (let i = 0; i < count; i++) {
      const startedMs = performance.now();
      await policy.infer(observation);
      ms.push(performance.now() - startedMs);
    }
    say({ ms });
  }
}
