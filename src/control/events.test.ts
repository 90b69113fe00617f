import { describe, expect, it } from 'vitest';
import { ARM_SEGMENT_BYTES } from '../segment/arm-layout.ts';
import { EventReader, EventWriter } from './events.ts';

const ring = () => {
  const memory = new ArrayBuffer(ARM_SEGMENT_BYTES);
  return { memory, writer: new EventWriter(memory), reader: new EventReader(memory) };
};

describe('the event ring', () => {
  it('hands every event over once, in order', () => {
    const { writer, reader } = ring();
    writer.push(1, 10, 2, 0.5, -1);
    writer.push(2, 11);
    expect(reader.read()).toEqual([
      { timeNs: 1, code: 10, detail: 2, a: 0.5, b: -1 },
      { timeNs: 2, code: 11, detail: 0, a: 0, b: 0 },
    ]);
    expect(reader.read()).toEqual([]);
  });

  it('goes round for ever', () => {
    const { writer, reader } = ring();
    const codes: number[] = [];
    for (let code = 1; code <= 1000; code++) {
      writer.push(0, code);
      if (code % 100 === 0) codes.push(...reader.read().map((event) => event.code));
    }
    expect(codes).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
    expect(reader.lost).toBe(0);
  });

  it('tells a slow reader how much it missed', () => {
    const { writer, reader } = ring();
    for (let code = 1; code <= 1000; code++) writer.push(0, code);
    const events = reader.read();
    expect(events.length + reader.lost).toBe(1000);
    expect(events.at(-1)?.code).toBe(1000);
    expect(events[0]?.code).toBe(reader.lost + 1);
  });

  it('can be followed from now on only', () => {
    const { memory, writer } = ring();
    writer.push(0, 1);
    const reader = new EventReader(memory, 'now');
    writer.push(0, 2);
    expect(reader.read().map((event) => event.code)).toEqual([2]);
  });
});
