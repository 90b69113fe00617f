import { setImmediate as turn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { toMyelinError } from '../core/errors.ts';
import { monotonicNs } from '../platform/clock.ts';
import { parentPid } from '../platform/process.ts';
import { raiseNiceness, requestRealtime } from '../platform/realtime.ts';
import { rehearse } from './rehearsal.ts';
import { WORLD_ARMS, type WorldArm } from './scene.ts';
import { World } from './world.ts';
import { type Fault, faultSchema } from './world-messages.ts';
import { DEFAULT_WORLD } from './world-paths.ts';
import { WorldServer } from './world-server.ts';

export interface WorldProcessOptions {
  readonly name?: string;
  readonly arm?: WorldArm;
  readonly seed?: number;
  readonly bitTiming?: boolean;
  /** The motors' own communication timeout, ms; 0 = none. */
  readonly motorTimeoutMs?: number;
  readonly faults?: readonly Fault[];
  /** End when this process is no longer the parent. */
  readonly parentPid?: number;
  /** Called once the sockets are there. */
  readonly onReady?: () => void;
}

/** How long the world runs between two turns of the event loop, in which signals arrive. */
const TURN_NS = 20e6;
/** Below every control process. The world stands for metal, which no load on a computer slows down. */
const PRIORITY = 60;

/**
 * Runs a world in this process until SIGTERM, SIGINT or the death of its parent. Leaves nothing behind.
 * @throws MyelinError ADDRESS_IN_USE, SEGMENT_IN_USE
 */
export async function runWorld(options: WorldProcessOptions = {}): Promise<void> {
  await rehearse(options.arm ?? 'X5');
  const world = await World.create({
    ...(options.arm === undefined ? {} : { arm: options.arm }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.bitTiming === undefined ? {} : { bitTiming: options.bitTiming }),
    ...(options.motorTimeoutMs === undefined ? {} : { timeoutMs: options.motorTimeoutMs }),
    startNs: monotonicNs(),
  });
  for (const fault of options.faults ?? []) world.fault(fault);
  const server = new WorldServer(world, options.name ?? DEFAULT_WORLD);
  raiseNiceness();
  requestRealtime({ priority: PRIORITY });
  let asked = false;
  const ask = () => {
    asked = true;
  };
  process.on('SIGTERM', ask);
  process.on('SIGINT', ask);
  const isOrphan = () => options.parentPid !== undefined && parentPid() !== options.parentPid;
  try {
    options.onReady?.();
    while (!asked && !isOrphan()) {
      server.run(TURN_NS);
      await turn();
    }
  } finally {
    server.close();
    process.off('SIGTERM', ask);
    process.off('SIGINT', ask);
  }
}

/** Options on the command line of this file, which starts as a process of its own. */
function optionsOf(args: readonly string[]): WorldProcessOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      name: { type: 'string' },
      arm: { type: 'string' },
      seed: { type: 'string' },
      'no-bit-timing': { type: 'boolean' },
      'motor-timeout-ms': { type: 'string' },
      faults: { type: 'string' },
      'parent-pid': { type: 'string' },
    },
  });
  const arm = WORLD_ARMS.find((name) => name === values.arm);
  const number = (text: string | undefined, key: string) =>
    text === undefined ? {} : { [key]: Number(text) };
  return {
    ...(values.name === undefined ? {} : { name: values.name }),
    ...(arm === undefined ? {} : { arm }),
    ...number(values.seed, 'seed'),
    ...number(values['motor-timeout-ms'], 'motorTimeoutMs'),
    ...number(values['parent-pid'], 'parentPid'),
    bitTiming: values['no-bit-timing'] !== true,
    ...(values.faults === undefined ? {} : { faults: faultSchema.array().parse(JSON.parse(values.faults)) }),
    onReady: () => process.stdout.write('ready\n'),
  };
}

if (import.meta.url === `file://${process.argv[1]}`) {
  runWorld(optionsOf(process.argv.slice(2))).catch((thrown: unknown) => {
    const { message, hint } = toMyelinError(thrown);
    process.stderr.write(`${message}\n  hint: ${hint}\n`);
    process.exitCode = 1;
  });
}
