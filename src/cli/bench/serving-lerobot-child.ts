/**
 * One end of a LeRobot round trip in a process of its own, as `node serving-lerobot-child.js server` (the policy that
 * does nothing) or `... client PORT COUNT CAMERAS HEIGHT WIDTH` (a round of requests at each line read).
 */
import { createInterface } from 'node:readline';
import type { Observation } from '../../core/observation.ts';
import { collectRarely } from '../../platform/heap-growth.ts';
import { Engine } from '../../serving/engine/engine.ts';
import { createNoopPolicy } from '../../serving/engine/noop-policy.ts';
import { LeRobotPolicy } from '../../serving/lerobot/client.ts';
import { startLeRobotServer } from '../../serving/lerobot/server.ts';

collectRarely();

const [role, ...rest] = process.argv.slice(2);
const say = (facts: object) => process.stdout.write(`${JSON.stringify(facts)}\n`);

if (role === 'server') {
  const engine = new Engine({ policies: new Map([['noop', createNoopPolicy()]]) });
  const { port } = await startLeRobotServer(engine, { port: 0 });
  say({ port });
} else {
  const [port = 0, count = 0, cameraCount = 0, height = 0, width = 0] = rest.map(Number);
  const names = Array.from({ length: cameraCount }, (_, i) => `cam${i}`);
  const policy = new LeRobotPolicy({
    address: `127.0.0.1:${port}`,
    policyType: 'act',
    pretrainedNameOrPath: 'noop',
    actionsPerChunk: 50,
    stateNames: Array.from({ length: 7 }, (_, i) => `j${i}.pos`),
    cameras: names.map((name) => ({ name, width, height })),
  });
  await policy.connect();
  const rgb = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 7) % 255);
  const observation = (timestep: number): Observation => ({
    timestep,
    timestampNs: 0,
    state: new Float64Array(7).fill(timestep),
    velocity: new Float64Array(7),
    cameras: new Map(names.map((name) => [name, { name, width, height, rgb, capturedNs: 0, sequence: 0 }])),
    task: 'nothing',
  });
  say({ ready: true });
  let step = 0;
  for await (const _ of createInterface({ input: process.stdin })) {
    const ms: number[] = [];
    for (let i = 0; i < count; i++) {
      step += 1;
      const startedMs = performance.now();
      await policy.infer(observation(step));
      ms.push(performance.now() - startedMs);
    }
    say({ ms });
  }
}
