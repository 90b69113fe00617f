import { describe, expect, it } from 'vitest';
import { armDescription, createArmDriver, loadKinematics } from '../src/arms/catalogue.ts';
import { createArmCommand, createArmState } from '../src/arms/driver.ts';
import { GRAVITY_DOWN, gravityTorque } from '../src/core/kinematics/gravity.ts';
import { LockstepBus } from '../src/world/lockstep-bus.ts';
import { World } from '../src/world/world.ts';

/** Driver and simulated motors were written apart from the same protocol tables: here they meet, in lock-step. */

const PERIOD_NS = 2e6;
const SMOOTH_TICKS = 1500;

for (const model of ['X5', 'L5'] as const) {
  const description = armDescription(model);
  const kinematics = loadKinematics(description);

  describe(`the ${model} driver on the simulated motors`, () => {
    it('learns their ranges and timeouts, moves to home and holds it there by its own weight model', async () => {
      const world = await World.create({ arm: model });
      const driver = createArmDriver(description, new LockstepBus(world));
      const report = driver.connect((ms) => world.step(ms / 1000));
      for (const motor of report.motors) {
        expect(motor.rangesFrom, motor.joint).toBe('motor');
        expect(motor.communicationTimeoutMs, motor.joint).toBeGreaterThan(0);
      }

      const state = createArmState(7);
      const command = createArmCommand(7);
      command.kp.set(description.gains.kp);
      command.kd.set(description.gains.kd);
      const start = new Float64Array(7);
      let oldestNs = 0;
      for (let tick = 0; tick < 2 * SMOOTH_TICKS; tick++) {
        driver.read(world.nowNs, state);
        if (tick === 0) start.set(state.position);
        oldestNs = Math.max(oldestNs, ...state.feedbackAgeNs);
        const t = Math.min(1, tick / SMOOTH_TICKS);
        const share = t * t * t * (10 - 15 * t + 6 * t * t);
        for (let i = 0; i < 7; i++) {
          command.position[i] = start[i]! + share * (description.home[i]! - start[i]!);
        }
        gravityTorque(kinematics, state.position, GRAVITY_DOWN, command.torqueFeedForward);
        expect(driver.write(command)).toBe(7);
        world.advance(world.nowNs + PERIOD_NS);
      }
      expect(oldestNs).toBeLessThan(2 * PERIOD_NS);
      expect([...state.fault]).toEqual(Array(7).fill(0));
      for (let i = 0; i < 6; i++) {
        // Friction in the gears leaves a little; a wrong scale or mass would leave a lot.
        expect(Math.abs(state.position[i]! - description.home[i]!), `joint ${i + 1}`).toBeLessThan(0.02);
        expect(Math.abs(state.velocity[i]!), `joint ${i + 1}`).toBeLessThan(0.05);
      }
      expect(Math.abs(state.position[6]! - description.home[6]!)).toBeLessThan(0.003);
      driver.close();
    });
  });
}
