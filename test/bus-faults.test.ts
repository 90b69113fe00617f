import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { proveMotion } from '../src/cli/self-test/motion-faults.ts';
import { SimulatedArm } from '../src/cli/self-test/simulated-arm.ts';
import { bitNames, ErrorBit } from '../src/core/control-state.ts';
import type { Fault } from '../src/world/world-messages.ts';

const STOPPED = ['EMERGENCY_STOP', 'DAMPING'];

/** Every fault the simulated bus can have, while a real control process moves the arm over it. */
describe('while the arm moves', () => {
  let arm: SimulatedArm;
  beforeEach(async () => {
    arm = await SimulatedArm.start();
    arm.command();
    arm.send(arm.poseNear({ 0: 0.6, 3: -0.3 }), 120);
    arm.request('START');
    await arm.until('the arm moves', () => Math.abs(arm.read().commandedVelocity[0] ?? 0) > 0.1);
  });
  afterEach(() => arm.close());

  const inject = (fault: Fault): void => {
    const world = arm.world();
    world.fault(fault);
    world.close();
  };
  const errors = (): string[] => bitNames(ErrorBit, arm.segment.fields.errors);

  it.each<[string, Fault]>([
    ['one frame in twenty is lost', { kind: 'lost', probability: 0.05 }],
    ['one frame in twenty is late', { kind: 'late', probability: 0.05, delayMs: 3 }],
  ])('%s: it goes on, within its limits', async (_, fault) => {
    inject(fault);
    const since = arm.read().tick;
    await arm.until('500 more ticks', () => arm.read().tick > since + 500);
    expect(arm.state()).toBe('RUNNING');
    const state = arm.world();
    const { hits } = state.state().bus;
    state.close();
    expect(hits.lost + hits.corrupted + hits.late).toBeGreaterThan(0);
    expect(proveMotion(arm.tracePath).faults).toEqual([]);
  });

  it('one frame in twenty is corrupted past the checksum: it goes on or stops with a reason, within its limits', async () => {
    inject({ kind: 'corrupted', probability: 0.05 });
    const since = arm.read().tick;
    await arm.until(
      '500 more ticks or the end',
      () => !arm.segment.ownerAlive || arm.read().tick > since + 500,
    );
    // A flipped bit may turn a reply into the report of a motor fault, and that must stop the arm.
    if (arm.state() !== 'RUNNING') expect(errors()).not.toEqual([]);
    expect(proveMotion(arm.tracePath).faults).toEqual([]);
  });

  it.each<[string, Fault, string]>([
    ['a motor dies', { kind: 'dead', motor: 2 }, 'COMMUNICATION'],
    ['every frame is lost', { kind: 'lost', probability: 1 }, 'COMMUNICATION'],
    ['the bus goes off', { kind: 'busOff', durationMs: 600_000 }, 'COMMUNICATION'],
    ['a motor is too hot', { kind: 'overTemperature', motor: 5, celsius: 150 }, 'OVER_TEMPERATURE'],
  ])('%s: the arm is stopped and damped, and the reason is told', async (_, fault, error) => {
    inject(fault);
    await arm.until('the arm is stopped', () => STOPPED.includes(arm.state()));
    expect(errors()).toContain(error);
    expect(await arm.controlExit).toBe(1);
    const { faults } = proveMotion(arm.tracePath);
    expect(faults).toEqual([]);
  });
});
