import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameQueue } from './frame-queue.ts';

describe('a queue of frames', () => {
  it('gives frames back in order, whole, and refuses what does not fit', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.uint8Array({ minLength: 0, maxLength: 8 }))), (moves) => {
        const queue = new FrameQueue(4);
        const model: Uint8Array[] = [];
        for (const data of moves) {
          if (data === null) {
            queue.pop();
            model.shift();
          } else {
            const taken = queue.push(model.length, data, data.length, 7);
            expect(taken).toBe(model.length < 4);
            if (taken) model.push(data);
          }
          expect(queue.count).toBe(model.length);
          if (model[0] !== undefined) {
            expect(queue.length).toBe(model[0].length);
            expect(queue.data.subarray(0, queue.length)).toEqual(model[0]);
          }
        }
      }),
    );
  });

  it('says when its oldest frame is due, and never when it is empty', () => {
    const queue = new FrameQueue(2);
    expect(queue.dueNs).toBe(Number.POSITIVE_INFINITY);
    queue.push(1, new Uint8Array(8), 8, 30);
    queue.push(2, new Uint8Array(8), 8, 20);
    expect(queue.dueNs).toBe(30);
    queue.clear();
    expect(queue.count).toBe(0);
  });
});
