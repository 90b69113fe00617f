import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CanFrame, createCanFrame } from './can.ts';
import { LONGEST_SLCAN_FRAME, packSlcan, SlcanParser } from './slcan-parser.ts';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const feed = (parser: SlcanParser, text: string): void => {
  const bytes = ascii(text);
  parser.push(bytes, bytes.length);
};
const drain = (parser: SlcanParser): { id: number; data: number[] }[] => {
  const frame: CanFrame = createCanFrame();
  const frames: { id: number; data: number[] }[] = [];
  while (parser.next(frame)) frames.push({ id: frame.id, data: [...frame.data.subarray(0, frame.length)] });
  return frames;
};
const written = (id: number, data: Uint8Array): string => {
  const out = new Uint8Array(LONGEST_SLCAN_FRAME);
  const end = packSlcan(id, data, data.length, out, 0);
  return String.fromCharCode(...out.subarray(0, end));
};
const anyFrame = fc.record({
  id: fc.integer({ min: 0, max: 0x7ff }),
  data: fc.uint8Array({ maxLength: 8 }),
});

describe('slcan', () => {
  it('writes a frame as a line', () => {
    expect(written(0x7ff, Uint8Array.of(0x05, 0xff, 0x33))).toBe('t7FF305FF33\r');
    expect(written(1, Uint8Array.of())).toBe('t0010\r');
  });

  it('reads frames in either case, with and without a time stamp', () => {
    const parser = new SlcanParser();
    feed(parser, 't7ff205fF\rt00100BEE\r');
    feed(parser, 't00100BEEF\r');
    expect(drain(parser)).toEqual([
      { id: 0x7ff, data: [0x05, 0xff] },
      { id: 1, data: [] },
    ]);
    expect(parser.counts.malformed).toBe(1);
  });

  it('carries any frames through any portions', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 30 })),
        (frames, cuts) => {
          const parser = new SlcanParser();
          const text = frames.map(({ id, data }) => written(id, data)).join('');
          let at = 0;
          for (const cut of cuts) {
            feed(parser, text.slice(at, at + cut));
            at += cut;
          }
          feed(parser, text.slice(at));
          expect(drain(parser)).toEqual(frames.map(({ id, data }) => ({ id, data: [...data] })));
          expect(parser.counts.malformed).toBe(0);
        },
      ),
    );
  });

  it('survives any bytes, and reads the next good frame after a line end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const parser = new SlcanParser();
        parser.push(noise, noise.length);
        drain(parser);
        feed(parser, '\rt123212AB\r');
        expect(drain(parser).at(-1)).toEqual({ id: 0x123, data: [0x12, 0xab] });
      }),
    );
  });

  it('counts agreements, refusals and lines that are no frames', () => {
    const parser = new SlcanParser();
    feed(parser, '\r\rV1013\r\x07z\rT123456780\rt12\rt9990\rt1239\rt123100FF\rt1231ZZ\r');
    expect(drain(parser)).toEqual([]);
    expect(parser.counts).toEqual({ frames: 0, overrun: 0, malformed: 5, refusals: 1, agreements: 2 });
  });

  it('throws away a line without end', () => {
    const parser = new SlcanParser();
    feed(parser, `t1238${'00'.repeat(500)}\rt00111A\r`);
    expect(drain(parser)).toEqual([{ id: 1, data: [0x1a] }]);
    expect(parser.counts.malformed).toBe(1);
  });

  it('keeps the newest frames when nobody fetches them, and counts the lost', () => {
    const parser = new SlcanParser();
    for (let i = 0; i < 600; i++) feed(parser, written(i, Uint8Array.of(i & 255)));
    const frames = drain(parser);
    expect(frames).toHaveLength(512);
    expect(frames[0]!.id).toBe(88);
    expect(frames.at(-1)!.id).toBe(599);
    expect(parser.counts.overrun).toBe(88);
  });
});
