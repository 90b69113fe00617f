import { expect } from 'vitest';
import { distEntry } from '../../src/platform/entry.ts';
import { isAlive } from '../../src/platform/process.ts';
import { ArmSegment } from '../../src/segment/arm-segment.ts';
import { myelin, type Started, sharedMemoryWith, start, uniqueName, until } from './processes.ts';

/** A simulated arm behind its bus, of the process that asks. */
export const startWorld = async (name: string): Promise<Started> => {
  const world = start([
    process.execPath,
    distEntry('world/world-process.js'),
    ...['--name', name, '--parent-pid', String(process.pid)],
  ]);
  await world.says(/ready/);
  return world;
};

export interface ControlledArm {
  readonly name: string;
  readonly control: Started;
  readonly loopPid: number;
  readonly segment: ArmSegment;
}

/** A control process on the world of the same name, ticking. */
export const startControl = async (name: string, args: readonly string[] = []): Promise<ControlledArm> => {
  const patience = ['--feedback-timeout', '0.5'];
  const control = myelin([
    'control',
    '--interface',
    `world:${name}`,
    '--segment',
    name,
    ...patience,
    ...args,
  ]);
  const loopPid = Number((await control.says(/loop is process \d+/)).match(/\d+/)?.[0]);
  const segment = ArmSegment.open(name);
  await until('the loop ticks', () => segment.fields.tick > 20);
  return { name, control, loopPid, segment };
};

/** Runs something beside a control process on a world of its own. */
export const withArm = async (
  run: (arm: ControlledArm) => Promise<void>,
  args: readonly string[] = [],
): Promise<void> => {
  const name = uniqueName('control');
  await startWorld(name);
  const arm = await startControl(name, args);
  try {
    await run(arm);
  } finally {
    arm.segment.close();
  }
};

/** Nothing of a run is left: no segment, no loop. */
export const expectNothingLeft = async ({ name, loopPid }: ControlledArm): Promise<void> => {
  await until('the loop is gone', () => !isAlive(loopPid));
  expect(sharedMemoryWith(name).filter((file) => file === name)).toEqual([]);
};
