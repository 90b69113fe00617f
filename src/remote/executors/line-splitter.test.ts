import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from './line-splitter.ts';

const split = (chunks: readonly Buffer[], most = 1000) => {
  const lines: string[] = [];
  const long: string[] = [];
  const splitter = new LineSplitter(
    most,
    (line) => lines.push(line),
    (start) => long.push(start),
  );
  for (const chunk of chunks) splitter.write(chunk);
  splitter.end();
  return { lines, long };
};

describe('LineSplitter', () => {
  it('gives the same lines however the bytes are cut', () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 30 }).filter((text) => !/[\r\n]/.test(text));
    fc.assert(
      fc.property(fc.array(line, { minLength: 1 }), fc.array(fc.nat(200)), (lines, cuts) => {
        const bytes = Buffer.from(`${lines.join('\n')}\n`);
        const points = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b)];
        const chunks = points.map((from, index) => bytes.subarray(from, points[index + 1] ?? bytes.length));
        expect(split(chunks).lines).toEqual(lines);
      }),
    );
  });

  it('hands over what has no line break at the end', () => {
    expect(split([Buffer.from('a\nb')]).lines).toEqual(['a', 'b']);
  });

  it('cuts a line that is too long, drops its rest and goes on with the next', () => {
    expect(split([Buffer.from('abcdef'), Buffer.from('gh\nij\n')], 4)).toEqual({
      lines: ['ij'],
      long: ['abcd'],
    });
  });

  it('takes a line of exactly the bound', () => {
    expect(split([Buffer.from('abcd\n')], 4)).toEqual({ lines: ['abcd'], long: [] });
  });
});
