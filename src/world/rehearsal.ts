import { Physics } from './physics.ts';
import { seededRandom } from './random.ts';
import type { WorldArm } from './scene.ts';
import { World } from './world.ts';

const COMMANDS = 600;
const COMMAND_NS = 2e6;

/**
 * Runs a world that nobody sees for a simulated second, its motors pushed by noise into the table and the cubes. The
 * physics engine is compiled while it runs, and until then takes ten times as long for a step: a world with real-time
 * priority that was still that slow would leave the compiler no processor to finish on. Takes a fraction of a second.
 */
export async function rehearse(arm: WorldArm): Promise<void> {
  const world = new World(await Physics.create(arm));
  const host = world.bus.attach();
  const random = seededRandom(1);
  const command = new Uint8Array(8);
  try {
    for (let round = 0; round < COMMANDS; round += 1) {
      for (const { canId } of world.motors) {
        for (let at = 0; at < command.length; at += 1) command[at] = 256 * random();
        command[0]! &= 0x1f; // A motion command in either protocol.
        host.outbox.push(canId, command, command.length, world.nowNs);
      }
      world.advance(world.nowNs + COMMAND_NS);
      while (host.inbox.count > 0) host.inbox.pop();
    }
  } finally {
    world.close();
  }
}
