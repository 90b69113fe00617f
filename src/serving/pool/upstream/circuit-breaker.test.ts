import { describe, expect, it } from 'vitest';
import { Backoff } from '../../websocket/backoff.ts';
import { CircuitBreaker } from './circuit-breaker.ts';

function setUp() {
  const clock = { nowMs: 0 };
  const breaker = new CircuitBreaker(3, () => clock.nowMs, new Backoff(100, 1000, () => 1));
  const fail = () => {
    breaker.begin();
    breaker.fail();
  };
  return { clock, breaker, fail };
}

describe('the circuit breaker', () => {
  it('opens after three failures in a row, not after three with a success between', () => {
    const { breaker, fail } = setUp();
    fail();
    fail();
    breaker.succeed();
    fail();
    fail();
    expect(breaker.allows).toBe(true);
    fail();
    expect(breaker.state).toBe('open');
    expect(breaker.allows).toBe(false);
  });

  it('lets one request try after a pause, and closes when it succeeds', () => {
    const { clock, breaker, fail } = setUp();
    for (let i = 0; i < 3; i++) fail();
    clock.nowMs = 99;
    expect(breaker.allows).toBe(false);
    clock.nowMs = 100;
    expect(breaker.allows).toBe(true);
    breaker.begin();
    expect(breaker.allows).toBe(false);
    breaker.succeed();
    expect(breaker.state).toBe('closed');
  });

  it('pauses longer each time the trial fails', () => {
    const { clock, breaker, fail } = setUp();
    for (let i = 0; i < 3; i++) fail();
    clock.nowMs = 100;
    fail();
    clock.nowMs = 299;
    expect(breaker.allows).toBe(false);
    clock.nowMs = 300;
    expect(breaker.allows).toBe(true);
  });

  it('lets another try when the trial told nothing', () => {
    const { clock, breaker, fail } = setUp();
    for (let i = 0; i < 3; i++) fail();
    clock.nowMs = 100;
    breaker.begin();
    breaker.abandon();
    expect(breaker.allows).toBe(true);
  });
});
