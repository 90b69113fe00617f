import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeData, decodePiece, encodeData, encodePiece, TransferState } from './protobuf.ts';
import { Assembler, PIECE_BYTES, pieces } from './transfer.ts';

const { BEGIN, MIDDLE, END, UNKNOWN } = TransferState;
const states = (bytes: number) => [...pieces(new Uint8Array(bytes))].map(({ state }) => state);
const piece = (state: number, text: string) => ({ state, data: Buffer.from(text) });

describe('cutting a payload', () => {
  it('makes no message of nothing, one END of up to 2 MiB, and BEGIN, MIDDLE, END of more', () => {
    expect(states(0)).toEqual([]);
    expect(states(9)).toEqual([END]);
    expect(states(PIECE_BYTES)).toEqual([END]);
    expect(states(PIECE_BYTES + 1)).toEqual([BEGIN, END]);
    expect(states(2 * PIECE_BYTES + 1000)).toEqual([BEGIN, MIDDLE, END]);
  });
});

describe('putting a payload together', () => {
  const add = (...all: { state: number; data: Uint8Array }[]) => {
    const assembler = new Assembler(100);
    return all.map((each) => assembler.add(each)).map((whole) => whole && Buffer.from(whole).toString());
  };

  it('gives it at END, BEGIN or not', () => {
    expect(add(piece(END, 'abc'))).toEqual(['abc']);
    expect(add(piece(BEGIN, 'a'), piece(MIDDLE, 'b'), piece(END, 'c')).at(-1)).toBe('abc');
    expect(add(piece(MIDDLE, 'b'), piece(END, 'c')).at(-1)).toBe('bc');
  });

  it('gives nothing for BEGIN or MIDDLE alone, and starts anew at BEGIN and after END', () => {
    expect(add(piece(BEGIN, 'a'))).toEqual([undefined]);
    expect(add(piece(MIDDLE, 'a'))).toEqual([undefined]);
    expect(add(piece(MIDDLE, 'x'), piece(BEGIN, 'a'), piece(END, 'b')).at(-1)).toBe('ab');
    expect(add(piece(END, 'a'), piece(END, 'b'))).toEqual(['a', 'b']);
  });

  it('refuses unknown states and more bytes than it may hold', () => {
    expect(() => add(piece(UNKNOWN, ''))).toThrow('transfer state 0 is not known');
    expect(() => add(piece(MIDDLE, 'x'.repeat(60)), piece(MIDDLE, 'x'.repeat(60)))).toThrow(
      'longer than 100',
    );
  });

  it('gives back what was cut, for any payload and size of pieces', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 500 }),
        fc.integer({ min: 1, max: 60 }),
        (bytes, size) => {
          const assembler = new Assembler();
          const wholes = [...pieces(bytes, size)].map((each) =>
            assembler.add(decodePiece(encodePiece(each))),
          );
          expect(Buffer.from(wholes.at(-1)!).equals(bytes)).toBe(true);
          expect(wholes.slice(0, -1).every((each) => each === undefined)).toBe(true);
        },
      ),
    );
  });
});

describe('the protocol buffers', () => {
  it('are those of LeRobot, byte for byte', () => {
    expect(encodePiece(piece(END, 'ab')).toString('hex')).toBe('080312026162');
    expect(encodeData(Buffer.from('ab')).toString('hex')).toBe('0a026162');
    expect(encodeData(new Uint8Array(0))).toHaveLength(0);
    expect(decodeData(Buffer.alloc(0))).toHaveLength(0);
  });

  it('skip fields they do not know', () => {
    expect(Buffer.from(decodeData(Buffer.from('1a03616263' + '0a026162' + '2005', 'hex'))).toString()).toBe(
      'ab',
    );
  });

  it('are refused when they are something else, never half read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const decode of [decodePiece, decodeData]) {
          try {
            decode(Buffer.from(bytes));
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(Error);
          }
        }
      }),
    );
  });
});
