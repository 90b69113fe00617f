import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MyelinError } from '../../core/errors.ts';
import { CONTAINERS, PickledRecord } from './containers.ts';
import { OPCODES } from './opcodes.ts';
import { TORCH } from './torch.ts';
import { unpickle } from './unpickle.ts';

/** Written by CPython 3.11 with numpy 2.4 and torch 2.13. */
const FIXTURE: { data: Record<string, string>; hostile: Record<string, string> } = JSON.parse(
  readFileSync(new URL('./python.fixture.json', import.meta.url), 'utf8'),
);
const python = (name: string) => Buffer.from(FIXTURE.data[name]!, 'hex');
const load = (bytes: Uint8Array | string, options: object = {}) =>
  unpickle(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, {
    allow: CONTAINERS,
    ...options,
  });
const bytes = (...values: readonly number[]) => Uint8Array.from(values);

const VALUE = new Map<string, unknown>([
  ['none', null],
  ['yes', true],
  ['no', false],
  ['small', 7],
  ['negative', -3],
  ['word', 300],
  ['big', 2 ** 40],
  ['huge', -(1n << 70n) + 5n],
  ['float', 2.5],
  ['inf', Number.NEGATIVE_INFINITY],
  ['text', 'Grüße ☃ 🤖 \\u0041\n'],
  ['bytes', bytes(0, 1, 127, 128, 255)],
  ['tuple', [1]],
  ['pair', [1, 2]],
  ['triple', [1, 2, 3]],
  ['four', [1, 2, 3, 4]],
  ['empty', [[], [], new Map()]],
  ['list', [1, [2, [3]]]],
  [
    'keys',
    new Map<unknown, unknown>([
      [1, 'one'],
      [[1, 2], 'tuple'],
      [2.5, 'float'],
    ]),
  ],
  ['long text', 'x'.repeat(300)],
  ['shared', [1, [2, [3]]]],
]);

describe('a pickle made by Python', () => {
  for (const protocol of [0, 1, 2, 3, 4, 5]) {
    it(`is read as the data it holds, protocol ${protocol}`, () => {
      const value = load(python(`value ${protocol}`)) as Map<string, unknown>;
      value.set('bytes', Uint8Array.from(value.get('bytes') as Uint8Array));
      expect(value).toEqual(VALUE);
      expect(value.get('shared')).toBe(value.get('list'));
      expect(load(python(`ordered ${protocol}`))).toEqual(
        new Map<string, unknown>([
          ['a', 1],
          ['b', [2]],
        ]),
      );
    });
  }

  it('gives records of plain classes their attributes', () => {
    for (const protocol of [2, 3, 4, 5]) {
      const record = load(python(`namespace ${protocol}`)) as PickledRecord;
      expect(record).toBeInstanceOf(PickledRecord);
      expect([...record.fields]).toEqual([
        ['lr', 1e-3],
        ['name', 'act'],
      ]);
    }
  });

  it('gives sets and byte arrays', () => {
    for (const protocol of [4, 5]) {
      const [set, frozen, array] = load(python(`sets ${protocol}`)) as [unknown, unknown, Uint8Array];
      expect([set, frozen, [...array]]).toEqual([new Set([1, 2]), new Set([3]), [97, 98]]);
    }
  });

  it('is refused when it refers to itself or stands for more than it says', () => {
    for (const name of ['list in itself', 'dictionary in itself', 'tuple in itself'])
      expect(() => load(python(name)), name).toThrow(/holds itself|changes after/);
    expect(() => load(python('laughs'))).toThrow('more than 1000000 elements');
  });
});

describe('a hostile pickle', () => {
  for (const [name, hex] of Object.entries(FIXTURE.hostile)) {
    it(`is refused by name: ${name}`, () => {
      try {
        load(Buffer.from(hex, 'hex'), { allow: TORCH });
        expect.fail('it was read');
      } catch (error) {
        expect(error).toMatchObject({ code: 'PICKLE_FORBIDDEN' });
        expect((error as MyelinError).message).toMatch(/asks for [\w.]+, which.*\(\w+ at byte \d+\)/);
      }
    });
  }

  const forbidden: [string, string, string][] = [
    ['a name on its own', 'cos\nsystem\n.', 'os.system'],
    ['a call', "cposix\nsystem\n(S'true'\ntR.", 'posix.system'],
    ['an instance', "(S'true'\nios\nsystem\n.", 'os.system'],
    ['an object', "(cos\nsystem\nS'true'\no.", 'os.system'],
    ['another platform', "cnt\nsystem\n(S'x'\ntR.", 'nt.system'],
    ['a name from the memo', '\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93.', 'os.system'],
    ['a dotted name', '\x80\x04\x8c\x02os\x8c\x0bpath.system\x93.', 'os.path.system'],
    ['an extension code', '\x82\x01.', 'copyreg'],
    ['a longer extension code', '\x84\x01\x00\x00\x00.', 'copyreg'],
    ['the reconstructor', 'ccopy_reg\n_reconstructor\n.', 'copy_reg._reconstructor'],
    ['the prototype', 'c__proto__\nconstructor\n.', '__proto__.constructor'],
    ['a name of this language', 'cconstructor\nconstructor\n.', 'constructor.constructor'],
  ];
  for (const [what, text, name] of forbidden) {
    it(`is refused by name: ${what}`, () => {
      expect(() => load(text)).toThrow(expect.objectContaining({ code: 'PICKLE_FORBIDDEN' }));
      expect(() => load(text)).toThrow(name);
    });
  }

  it('cannot call a name that may only be mentioned, nor give it state', () => {
    const allow = new Map([['a.b', {}]]);
    expect(() => load('ca\nb\n)R.', { allow })).toThrow('a.b');
    expect(() => load('ca\nb\n}b.', { allow })).toThrow('what was not made here');
    expect(() => load('ca\nb\n.', { allow })).not.toThrow();
  });
});

describe('a malformed pickle', () => {
  const malformed: [string, string, RegExp][] = [
    ['empty', '', /needs 1 bytes, 0 are left \(none at byte 0\)/],
    ['no stop', 'N', /needs 1 bytes/],
    ['text, not a pickle', 'hello', /0x68|memo|BINGET/],
    ['an opcode that does not exist', '\x80\x02\xff.', /0xff is not an opcode \(none at byte 2\)/],
    ['a newer protocol', '\x80\x06N.', /protocol 6/],
    ['an empty stack', '.', /stack is empty \(STOP at byte 0\)/],
    ['leftovers', 'NN.', /1 values are left over/],
    ['bytes behind its end', 'N.N', /1 bytes follow/],
    ['a mark that is missing', 'Nt.', /no mark/],
    ['a mark in the way', '(N(s.', /stack is empty/],
    ['an odd dictionary', '(Nd.', /no value/],
    ['a list as a key', '}}Ns.', /key/],
    ['an append to a number', 'K\x01Na.', /not a list/],
    ['items of a list', ']NNs.', /not a dictionary/],
    ['an unknown place in the memo', 'h\x05.', /no value 5/],
    ['a length beyond the end', 'X\xff\xff\xff\x7fab.', /2147483647 bytes/],
    ['a length beyond numbers', '\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.', /18446744073709551615/],
    ['a negative length', 'T\xff\xff\xff\xff.', /length is -1/],
    ['a frame beyond the end', '\x95\xff\x00\x00\x00\x00\x00\x00\x00N.', /frame of 255/],
    ['text that is not UTF-8', '\x8c\x01\xff.', /UTF-8/],
    ['an integer of many digits', `I${'9'.repeat(401)}\n.`, /longer than 400/],
    ['an integer of many bytes', `\x8b\xff\x00\x00\x00${'x'.repeat(255)}.`, /longer than 128/],
    ['a word for an integer', 'Iabc\n.', /not an integer/],
    ['a word for a float', 'F1e\n.', /not a number/],
    ['a string without quotes', 'Sabc\n.', /quotes/],
    ['a buffer from outside', '\x97.', /outside/],
    ['a reference to outside', 'Pabc\n.', /outside/],
    ['a call of a number', 'K\x01)R.', /not a name/],
    ['arguments that are no tuple', 'ccollections\nOrderedDict\nNR.', /not a tuple/],
    ['arguments by name', "ccollections\nOrderedDict\n)}S'a'\nNs\x92.", /by name/],
  ];
  for (const [what, text, message] of malformed) {
    it(`names opcode and offset: ${what}`, () => {
      expect(() => load(text)).toThrow(expect.objectContaining({ code: 'PICKLE_INVALID' }));
      expect(() => load(text)).toThrow(message);
    });
  }

  it('is bounded in bytes, depth, elements, operations and memo', () => {
    const bounded: [object, string, string][] = [
      [{ bytes: 3 }, 'NNN.', 'limit is 3'],
      [{ depth: 5 }, `${'('.repeat(6)}${'t'.repeat(6)}.`, 'deeper than 5'],
      [{ elements: 3 }, '(NNNNt.', 'more than 3'],
      [{ operations: 10 }, `${'N0'.repeat(10)}N.`, '10 operations'],
      [{ memo: 2 }, 'N\x94\x94\x94.', 'more than 2'],
    ];
    for (const [limits, text, message] of bounded) {
      expect(() => load(text, { limits }), message).toThrow(message);
    }
    expect(() => load('('.repeat(100_000))).toThrow('none at byte 100000');
  });
});

/** Writes data as pickle, protocol 2 or 4, for the round trip. */
function dump(value: unknown): number[] {
  if (value === null) return [OPCODES.NONE];
  if (typeof value === 'boolean') return [value ? OPCODES.NEWTRUE : OPCODES.NEWFALSE];
  if (typeof value === 'number') {
    const data = Buffer.alloc(8);
    data.writeDoubleBE(value);
    return [OPCODES.BINFLOAT, ...data];
  }
  if (typeof value === 'bigint') {
    const data = Buffer.alloc(16);
    data.writeBigInt64LE(BigInt.asIntN(64, value));
    data.writeBigInt64LE(value >> 64n, 8);
    return [OPCODES.LONG1, 16, ...data];
  }
  if (typeof value === 'string') {
    const data = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(data.length);
    return [OPCODES.BINUNICODE, ...length, ...data];
  }
  if (value instanceof Map)
    return [
      OPCODES.EMPTY_DICT,
      OPCODES.MEMOIZE,
      OPCODES.MARK,
      ...[...value].flatMap(([key, item]) => [...dump(key), ...dump(item)]),
      OPCODES.SETITEMS,
    ];
  return [OPCODES.MARK, ...(value as unknown[]).flatMap(dump), OPCODES.TUPLE];
}

const pickledData = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.double(),
    fc.string({ unit: 'grapheme' }),
    fc.bigInt({ min: 1n << 60n, max: (1n << 120n) - 1n }).chain((big) => fc.constantFrom(big, -big)),
    fc.array(tie('node'), { maxLength: 5 }),
    fc.array(fc.tuple(fc.string(), tie('node')), { maxLength: 5 }).map((entries) => new Map(entries)),
  ),
})).node;

describe('any pickle', () => {
  it('comes back as what was written', () => {
    fc.assert(
      fc.property(pickledData, (value) => {
        expect(load(Uint8Array.from([...dump(value), OPCODES.STOP]))).toEqual(value);
      }),
    );
  });

  const outcome = (input: Uint8Array): unknown => {
    try {
      load(input, { allow: TORCH, limits: { elements: 10_000, operations: 10_000 } });
      return undefined;
    } catch (error) {
      return error;
    }
  };
  const isRefusal = (error: unknown) => error === undefined || error instanceof MyelinError;

  it('gives data or a clear refusal, whatever its bytes are', () => {
    const opcode = fc.constantFrom(...Object.values(OPCODES));
    const soup = fc
      .array(fc.oneof(opcode, opcode, fc.nat(255)), { maxLength: 60 })
      .map((codes) => Uint8Array.from([...codes, OPCODES.STOP]));
    fc.assert(
      fc.property(soup, (input) => isRefusal(outcome(input))),
      { numRuns: 3000 },
    );
  });

  it('gives data or a clear refusal when a good one is damaged', () => {
    const originals = Object.values(FIXTURE.data).map((hex) => Buffer.from(hex, 'hex'));
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...originals), damage, fc.nat(), (original, changes, cut) => {
        const copy = Uint8Array.from(original);
        for (const [place, value] of changes) copy[place % copy.length] = value;
        return isRefusal(outcome(cut % 4 === 0 ? copy.subarray(0, cut % copy.length) : copy));
      }),
      { numRuns: 3000 },
    );
  });
});
