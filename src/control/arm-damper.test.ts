import { describe, expect, it } from 'vitest';
import type { ArmDriver, ArmState } from '../arms/driver.ts';
import { ArmDamper } from './arm-damper.ts';

/** Two joints that lose speed; `ageNs` is that of their feedback. */
const sinking = (startVelocity: number, ageNs = 0) => {
  let velocity = startVelocity;
  const driver = {
    dof: 2,
    damp: () => {
      velocity *= 0.97;
      return 2;
    },
    read: (_: number, state: ArmState) => {
      state.velocity.fill(velocity);
      state.feedbackAgeNs.fill(ageNs);
    },
  };
  return driver as unknown as ArmDriver;
};

const restsAfterMs = (driver: ArmDriver): number => {
  const damper = new ArmDamper(driver);
  for (let ms = 0; ms < 10_000; ms += 5) if (damper.step(ms * 1e6)) return ms;
  return Number.POSITIVE_INFINITY;
};

describe('the arm damper', () => {
  it('goes on until the arm has been still for a while', () => {
    expect(restsAfterMs(sinking(0))).toBe(300);
    expect(restsAfterMs(sinking(1))).toBeGreaterThan(500);
  });

  it('does not take silence for rest', () => {
    expect(restsAfterMs(sinking(0, 60e6))).toBe(Number.POSITIVE_INFINITY);
  });

  it('counts the frames that the bus took', () => {
    const damper = new ArmDamper(sinking(0));
    for (let ms = 0; ms < 50; ms += 5) damper.step(ms * 1e6);
    expect(damper.accepted).toBe(20);
  });
});
