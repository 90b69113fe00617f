import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAME_HEAD_BYTES, FrameJoiner, toFrames } from './frame.ts';

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 31) % 251);
const refused = expect.objectContaining({ code: 'MESSAGE_INVALID' });

describe('frames', () => {
  it('carry a message whole, in any order, none larger than allowed', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 500 }),
        fc.integer({ min: 25, max: 200 }),
        fc.nat(),
        (message, max, turn) => {
          const frames = toFrames(message, max);
          expect(Math.max(...frames.map(({ length }) => length))).toBeLessThanOrEqual(max);
          const at = turn % frames.length;
          const order = [...frames.slice(at), ...frames.slice(0, at)];
          const joiner = new FrameJoiner();
          const results = order.map((frame) => joiner.take('a', frame));
          expect(results.slice(0, -1).every((result) => result === undefined)).toBe(true);
          expect(Uint8Array.from(results.at(-1)!)).toEqual(message);
          expect(joiner.waitingBytes).toBe(0);
        },
      ),
    );
  });

  it('of several messages may come mixed', () => {
    const joiner = new FrameJoiner();
    const [a, b] = [toFrames(bytes(50), 60), toFrames(bytes(70), 60)];
    expect(joiner.take('x', a[0]!)).toBeUndefined();
    expect(joiner.take('x', b[0]!)).toBeUndefined();
    expect(joiner.take('x', b[1]!)).toHaveLength(70);
    expect(joiner.take('x', a[1]!)).toHaveLength(50);
  });

  it('of another source complete nothing', () => {
    const joiner = new FrameJoiner();
    const [first, second] = toFrames(bytes(50), 60);
    joiner.take('x', first!);
    expect(joiner.take('y', second!)).toBeUndefined();
  });

  it('refuses a message that says it is too long, before anything is kept', () => {
    const joiner = new FrameJoiner({ maxMessageBytes: 100 });
    expect(() => joiner.take('x', toFrames(bytes(101), 60)[0]!)).toThrow(refused);
    expect(joiner.waitingBytes).toBe(0);
  });

  it('gives up the oldest incomplete message when there is no room, and those that are late', () => {
    let nowMs = 0;
    const joiner = new FrameJoiner({
      maxWaiting: 2,
      maxWaitingBytes: 100,
      timeoutMs: 10,
      nowMs: () => nowMs,
    });
    const messages = Array.from({ length: 3 }, () => toFrames(bytes(50), 60));
    for (const [first] of messages) joiner.take('x', first!);
    expect(joiner.dropped).toBe(1);
    expect(joiner.waitingBytes).toBe(100);
    expect(joiner.take('x', messages[1]![1]!)).toHaveLength(50);
    nowMs = 11;
    expect(joiner.take('x', messages[2]![1]!)).toBeUndefined();
    expect(joiner.dropped).toBe(2);
  });

  it('refuses frames that contradict each other or their length', () => {
    const joiner = new FrameJoiner();
    const [first, last] = toFrames(bytes(50), 60);
    const changed = (frame: Uint8Array, at: number, value: number) => {
      const copy = Uint8Array.from(frame);
      copy[at] = value;
      return copy;
    };
    const others = [first!, last!.subarray(0, -1), changed(last!, 15, 51), changed(last!, 19, 3)];
    for (const other of others) {
      joiner.take('x', first!);
      expect(() => joiner.take('x', other)).toThrow(refused);
      // A frame that is wrong by itself does not touch the message; a contradiction ends it.
      if (joiner.waitingBytes > 0) expect(joiner.take('x', last!)).toHaveLength(50);
      expect(joiner.waitingBytes).toBe(0);
    }
  });

  it('answers anything else with a refusal or waits for more, and keeps no more than came', () => {
    const head = toFrames(bytes(50), 60)[0]!;
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc
        .tuple(fc.uint8Array({ minLength: 8, maxLength: 8 }), fc.uint8Array({ maxLength: 30 }))
        .map(([numbers, rest]) => {
          const frame = Uint8Array.from([...head.subarray(0, 12), ...numbers, ...rest]);
          return frame;
        }),
    );
    const joiner = new FrameJoiner({ maxWaitingBytes: 1000, maxWaiting: 8 });
    fc.assert(
      fc.property(noise, fc.constantFrom('a', 'b'), (frame, source) => {
        try {
          const whole = joiner.take(source, frame);
          if (whole !== undefined)
            expect(whole.length).toBeLessThanOrEqual(1000 + frame.length - FRAME_HEAD_BYTES);
        } catch (thrown) {
          expect(thrown).toEqual(refused);
        }
        expect(joiner.waitingBytes).toBeLessThanOrEqual(1000);
      }),
      { numRuns: 20_000 },
    );
  });
});
