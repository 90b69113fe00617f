import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { motionExtremes } from './finite-differences.ts';
import { JerkLimiter, type MotionLimits } from './jerk-limiter.ts';
import { MotionBit } from './joint-jerk.ts';

interface Joint {
  readonly min: number;
  readonly max: number;
  readonly v: number;
  readonly a: number;
  readonly j: number;
}
const SHOULDER: Joint = { min: -3.14, max: 2.618, v: 5, a: 15, j: 500 };
const JOINTS: readonly Joint[] = [
  SHOULDER,
  { min: -1.6, max: 1.55, v: 5.5, a: 25, j: 800 },
  { min: 0, max: 0.088, v: 0.3, a: 3, j: 100 },
  { min: -0.01, max: 0.01, v: 5, a: 15, j: 500 },
];

const limitsOf = ({ min, max, v, a, j }: Joint): MotionLimits => ({
  positionMin: [min],
  positionMax: [max],
  velocityMax: [v],
  accelerationMax: [a],
  jerkMax: [j],
});

/** One joint with its whole history. */
class Run {
  readonly limiter: JerkLimiter;
  readonly positions: number[];
  readonly joint: Joint;
  readonly dtS: number;
  constructor(joint: Joint, hz: number, start: number) {
    this.joint = joint;
    this.dtS = 1 / hz;
    this.limiter = new JerkLimiter(limitsOf(joint), this.dtS);
    this.limiter.reset([start]);
    this.positions = [start, start, start];
  }
  get p(): number {
    return this.limiter.position[0]!;
  }
  step(target: number, velocity = 0): number {
    const bits = this.limiter.propose([target], [velocity]);
    this.#accept();
    return bits;
  }
  brake(): void {
    this.limiter.proposeBrake();
    this.#accept();
  }
  hold(target: number, seconds: number): void {
    for (let k = 0; k < seconds / this.dtS; k++) this.step(target);
  }
  #accept(): void {
    this.limiter.accept();
    this.positions.push(this.p);
  }
  expectWithinLimits(): void {
    const { velocity, acceleration, jerk, outside } = motionExtremes(
      this.positions,
      limitsOf(this.joint),
      0,
      this.dtS,
    );
    expect(velocity).toBeLessThanOrEqual(1);
    expect(acceleration).toBeLessThanOrEqual(1);
    expect(jerk).toBeLessThanOrEqual(1);
    expect(outside).toBeLessThanOrEqual(ROUNDING);
  }
}

const joints = fc.constantFrom(...JOINTS);
const rates = fc.constantFrom(100, 250, 500, 1000);
const share = fc.double({ min: 0, max: 1, noNaN: true });
const at = ({ min, max }: Joint, s: number): number => min + s * (max - min);

/** Of sums of numbers around 1, rad or m. */
const ROUNDING = 1e-12;

/** How near the edges of its range a joint goes. */
const edge = ({ min, max, j }: Joint, dtS: number): number => 2 * j * dtS ** 3 + 4e-6 * (max - min);

/** A stretch of time with one kind of target. */
const stretch = fc.record({
  kind: fc.constantFrom('jump', 'huge', 'ramp', 'sine', 'noise', 'brake', 'lie'),
  ticks: fc.integer({ min: 1, max: 300 }),
  x: share,
  y: share,
});

describe('the jerk limiter', () => {
  it('keeps velocity, acceleration, jerk and range whatever the target does', () => {
    fc.assert(
      fc.property(
        joints,
        rates,
        share,
        fc.array(stretch, { maxLength: 12 }),
        (joint, hz, start, stretches) => {
          const run = new Run(joint, hz, at(joint, start));
          let noise = 1;
          for (const { kind, ticks, x, y } of stretches) {
            for (let k = 0; k < ticks; k++) {
              const t = k / hz;
              noise = (noise * 16807) % 2147483647;
              if (kind === 'jump') run.step(at(joint, x));
              else if (kind === 'huge') run.step((x - 0.5) * 1e300, (y - 0.5) * 1e300);
              else if (kind === 'ramp')
                run.step(at(joint, x) + 4 * joint.v * (y - 0.5) * t, 4 * joint.v * (y - 0.5));
              else if (kind === 'sine') {
                const w = 60 * y;
                run.step(at(joint, x + Math.sin(w * t)), (joint.max - joint.min) * w * Math.cos(w * t));
              } else if (kind === 'noise') run.step(at(joint, noise / 2147483647));
              else if (kind === 'lie') run.step(at(joint, x), (y - 0.5) * 3 * joint.v);
              else run.brake();
            }
          }
          run.expectWithinLimits();
        },
      ),
      { numRuns: 300 },
    );
  });

  it('reaches a target at rest exactly, without overshoot, from anywhere at rest', () => {
    fc.assert(
      fc.property(joints, rates, share, share, (joint, hz, from, to) => {
        const run = new Run(joint, hz, at(joint, from));
        const target = at(joint, to);
        run.hold(target, 3);
        const tolerance = 1.5 * edge(joint, run.dtS);
        expect(Math.abs(run.p - target)).toBeLessThanOrEqual(tolerance);
        expect(run.limiter.atRest).toBe(true);
        const [low, high] = [Math.min(at(joint, from), target), Math.max(at(joint, from), target)];
        expect(Math.min(...run.positions)).toBeGreaterThanOrEqual(low - tolerance);
        expect(Math.max(...run.positions)).toBeLessThanOrEqual(high + tolerance);
      }),
      { numRuns: 200 },
    );
  });

  it('converges after any past', () => {
    fc.assert(
      fc.property(
        joints,
        rates,
        share,
        fc.array(share, { maxLength: 8 }),
        share,
        (joint, hz, start, past, to) => {
          const run = new Run(joint, hz, at(joint, start));
          for (const s of past) for (let k = 0; k < 1 + s * 100; k++) run.step(at(joint, s));
          run.hold(at(joint, to), 3);
          expect(Math.abs(run.p - at(joint, to))).toBeLessThanOrEqual(edge(joint, run.dtS));
          expect(run.limiter.atRest).toBe(true);
          run.expectWithinLimits();
        },
      ),
      { numRuns: 150 },
    );
  });

  it('brakes to rest from any motion within the shortest time the limits allow, where it said it would', () => {
    fc.assert(
      fc.property(
        joints,
        rates,
        share,
        fc.integer({ min: 1, max: 500 }),
        share,
        (joint, hz, start, ticks, to) => {
          const run = new Run(joint, hz, at(joint, start));
          for (let k = 0; k < ticks; k++) run.step(at(joint, to));
          run.brake();
          const stop = run.limiter.next.stop[0]!;
          const longest = (joint.v / joint.a + (2 * joint.a) / joint.j) / 0.9 + 3 * run.dtS;
          for (let k = 0; k < longest * hz; k++) run.brake();
          expect(run.limiter.atRest).toBe(true);
          expect(Math.abs(run.p - stop)).toBeLessThan(joint.v * run.dtS);
          run.expectWithinLimits();
        },
      ),
      { numRuns: 200 },
    );
  });

  it('follows a target that moves within limits a millisecond or so behind', () => {
    const run = new Run(SHOULDER, 500, 0);
    const amplitude = 0.5;
    const w = 4;
    let worst = 0;
    for (let k = 0; k < 2000; k++) {
      const t = k * run.dtS;
      // Swings in gently, so that the target itself keeps to the limits from its first moment.
      const grow = Math.min(1, t);
      run.step(grow * amplitude * Math.sin(w * t), grow * amplitude * w * Math.cos(w * t));
      const due = Math.min(1, t + run.dtS) * amplitude * Math.sin(w * (t + run.dtS));
      if (t > 1.2) worst = Math.max(worst, Math.abs(run.p - due));
    }
    expect(worst).toBeLessThan(5e-3);
  });

  it('comes back in from outside its range and never moves further out', () => {
    fc.assert(
      fc.property(
        joints,
        rates,
        fc.double({ min: 0.001, max: 1, noNaN: true }),
        fc.boolean(),
        fc.array(
          fc.record({
            s: fc.double({ min: -3, max: 4, noNaN: true }),
            ticks: fc.integer({ min: 1, max: 80 }),
          }),
          { maxLength: 10 },
        ),
        (joint, hz, by, above, past) => {
          const start = above ? joint.max + by : joint.min - by;
          const run = new Run(joint, hz, start);
          for (const { s, ticks } of past)
            for (let k = 0; k < ticks; k++) run.step(at(joint, s), (s - 0.5) * 9);
          for (const p of run.positions) expect(above ? p - start : start - p).toBeLessThanOrEqual(ROUNDING);
          run.hold(at(joint, 0.5), 4);
          expect(Math.abs(run.p - at(joint, 0.5))).toBeLessThan(1e-5);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('says which limit shaped the step', () => {
    const run = new Run(SHOULDER, 500, 0);
    expect(run.step(0)).toBe(0);
    expect(run.step(2) & MotionBit.JERK).toBe(MotionBit.JERK);
    let seen = 0;
    for (let k = 0; k < 250; k++) seen |= run.step(2.5);
    expect(seen & MotionBit.ACCELERATION).toBe(MotionBit.ACCELERATION);
    run.hold(-3.1, 1);
    expect(run.step(99) & MotionBit.POSITION).toBe(MotionBit.POSITION);
    const fast = new Run({ ...SHOULDER, v: 1 }, 500, 0);
    seen = 0;
    for (let k = 0; k < 400; k++) seen |= fast.step(2.5);
    expect(seen & MotionBit.VELOCITY).toBe(MotionBit.VELOCITY);
    fast.hold(2.5, 4);
    expect(fast.step(2.5)).toBe(0);
  });

  it('lets its caller refuse a proposed step and brake in its place', () => {
    const run = new Run(SHOULDER, 500, 0);
    for (let k = 0; k < 100; k++) run.step(2);
    const before = run.p;
    run.limiter.propose([2], [0]);
    expect(run.limiter.position[0]).toBe(before);
    run.brake();
    run.expectWithinLimits();
  });
});
