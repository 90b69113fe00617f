import { describe, expect, it } from 'vitest';
import { MessageMemory } from './message-memory.ts';

describe('memory for messages', () => {
  it('lends the same memory again once it was given back', () => {
    const memory = new MessageMemory();
    const first = memory.take(300_000);
    expect(first.length).toBe(300_000);
    const second = memory.take(300_000);
    expect(second.buffer).not.toBe(first.buffer);
    memory.give(first);
    expect(memory.take(290_001).buffer).toBe(first.buffer);
    expect(memory.idleBytes).toBe(0);
  });

  it('never has one block out twice, also when it is given back twice or was never its own', () => {
    const memory = new MessageMemory();
    const block = memory.take(100_000);
    memory.give(block);
    memory.give(block.subarray(10));
    memory.give(Buffer.alloc(100_000));
    expect(memory.take(100_000).buffer).not.toBe(memory.take(100_000).buffer);
  });

  it('spends no large block on a small message', () => {
    const memory = new MessageMemory();
    memory.give(memory.take(10_000_000));
    expect(memory.take(70_000).buffer.byteLength).toBeLessThan(200_000);
  });

  it('keeps no more for later than it may', () => {
    const memory = new MessageMemory(1_000_000);
    const blocks = Array.from({ length: 5 }, () => memory.take(400_000));
    for (const block of blocks) memory.give(block);
    expect(memory.idleBytes).toBeGreaterThan(400_000);
    expect(memory.idleBytes).toBeLessThanOrEqual(1_000_000);
  });
});
