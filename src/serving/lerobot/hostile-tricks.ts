import {
  binBytes,
  long,
  type NamedPickle,
  named,
  observationWith,
  short,
  stackName,
  text,
} from './hostile-parts.ts';
import { storageBlob } from './pickle-codec.ts';

/**
 * Hostile pickles that need no forbidden name, or hide one where a reader may look less closely: extension codes,
 * persistent ids, hooks and storages of tensors, objects inside arrays, and what costs a reader dearly.
 */

const call = (module: string, name: string, ...args: readonly Buffer[]): Buffer =>
  Buffer.concat([text(`c${module}\n${name}\n(`), ...args, text('tR')]);
const tuple = (...items: readonly Buffer[]): Buffer => Buffer.concat([text('('), ...items, text('t')]);
const int = (value: number): Buffer => long(BigInt(value));
const dtype = (code: string): Buffer => call('numpy', 'dtype', short(code), text('\x89'), text('\x88'));
const GADGET = call('os', 'system', short('id'));
const HOOKS = call('collections', 'OrderedDict');

/** A tensor of LeRobot's, its storage being these bytes. */
const tensor = (blob: Buffer, shape: Buffer, strides: Buffer, hooks = HOOKS, offset = int(0)): Buffer =>
  call(
    'torch._utils',
    '_rebuild_tensor_v2',
    call('torch.storage', '_load_from_bytes', binBytes(blob)),
    offset,
    shape,
    strides,
    text('\x89'),
    hooks,
  );
const FOUR = storageBlob(Float32Array.of(1, 2, 3, 4));

/** A storage of PyTorch's whose parts 4 and 5 are these, in place of sound ones. */
function blob(id: Buffer, keys = text('\x80\x02]X\x01\x00\x00\x000a.')): Buffer {
  const head = FOUR.subarray(0, FOUR.indexOf(text('\x80\x02(')));
  return Buffer.concat([head, id, keys, Buffer.alloc(8), Buffer.alloc(16)]);
}
const storageId = (storageClass: string, count: Buffer): Buffer =>
  Buffer.concat([
    text(`\x80\x02(X\x07\x00\x00\x00storage${storageClass}X\x01\x00\x00\x000X\x03\x00\x00\x00cpu`),
    count,
    text('NtQ.'),
  ]);

/** Names hidden inside what is allowed. All must be refused by the name. */
export const HIDDEN_NAMES: readonly NamedPickle[] = [
  named('EXT1', text('\x80\x02\x82\x01.')),
  named('EXT2', text('\x80\x02\x83\x01\x00.')),
  named('EXT4', text('\x80\x02\x84\x01\x00\x00\x00.')),
  named('EXT4 with a negative code', text('\x80\x02\x84\xff\xff\xff\xff.')),
  named('a gadget as a value of an observation', observationWith(GADGET)),
  named('a gadget as a key', observationWith(text('}('), GADGET, text('Nu'))),
  named('a gadget as hooks of a tensor', observationWith(tensor(FOUR, tuple(int(4)), tuple(int(1)), GADGET))),
  named(
    'a gadget inside the hooks of a tensor',
    observationWith(
      tensor(
        FOUR,
        tuple(int(4)),
        tuple(int(1)),
        call('collections', 'OrderedDict', Buffer.concat([text(']('), tuple(short('a'), GADGET), text('e')])),
      ),
    ),
  ),
  named(
    'a gadget as the shape of an array',
    observationWith(call('numpy', 'ndarray', GADGET, short('|u1'), binBytes(Buffer.alloc(1)))),
  ),
  named(
    'a gadget as the state of an array',
    observationWith(
      call(
        'numpy._core.multiarray',
        '_reconstruct',
        text('cnumpy\nndarray\n'),
        tuple(int(0)),
        binBytes(text('b')),
      ),
      tuple(int(1), GADGET, dtype('u1'), text('\x89'), binBytes(Buffer.alloc(1))),
      text('b'),
    ),
  ),
  named(
    'a pickle as a storage',
    observationWith(tensor(Buffer.concat([GADGET, text('.')]), tuple(int(4)), tuple(int(1)))),
  ),
  named(
    'a gadget in the storage of a tensor',
    observationWith(
      tensor(blob(Buffer.concat([text('\x80\x02'), GADGET, text('.')])), tuple(int(4)), tuple(int(1))),
    ),
  ),
  named(
    'a persistent id of a foreign class',
    observationWith(tensor(blob(storageId('cos\nsystem\n', int(4))), tuple(int(4)), tuple(int(1)))),
  ),
  named(
    'a gadget among the storage keys',
    observationWith(
      tensor(
        blob(
          storageId('ctorch\nFloatStorage\n', int(4)),
          Buffer.concat([text('\x80\x02'), GADGET, text('.')]),
        ),
        tuple(int(4)),
        tuple(int(1)),
      ),
    ),
  ),
  named(
    'getattr by an allowed class',
    observationWith(call('lerobot.async_inference.helpers', 'TimedObservation.__init__.__globals__')),
  ),
  named(
    'a dotted name below an allowed one',
    observationWith(Buffer.concat([stackName('numpy', 'dtype.__class__'), text(')R')])),
  ),
  named(
    'numpy.core.multiarray.scalar of objects by copyreg',
    observationWith(call('copyreg', '_reconstructor', text('cnumpy\nndarray\n'), text('N'), text('N'))),
  ),
];

const nested = (open: string, close: string, depth: number) =>
  Buffer.concat([
    text('\x80\x04'),
    Buffer.alloc(depth, open, 'latin1'),
    Buffer.alloc(depth - 1, close, 'latin1'),
    text('.'),
  ]);

/** Pickles that cost a reader dearly, or are built wrongly on purpose. All must be refused, at little cost. */
export const EXPENSIVE: readonly NamedPickle[] = [
  named('lists in lists, 100 000 deep', nested(']', 'a', 100_000)),
  named(
    'tuples in tuples, 100 000 deep',
    Buffer.concat([text('\x80\x04N'), Buffer.alloc(100_000, 0x85), text('.')]),
  ),
  named(
    'dictionaries in dictionaries, 50 000 deep',
    Buffer.concat([
      text('\x80\x04'),
      Buffer.concat(Array.from({ length: 50_000 }, () => text('}K\x01'))),
      text('N'),
      Buffer.alloc(50_000, 's'),
      text('.'),
    ]),
  ),
  named('marks alone, a million', Buffer.concat([text('\x80\x04'), Buffer.alloc(1_000_000, '('), text('.')])),
  named(
    'pairs of pairs, 2 ** 200 elements',
    Buffer.concat([text('\x80\x04]'), ...Array.from({ length: 200 }, () => text('2\x86')), text('.')]),
  ),
  named(
    'lists that double through the memo',
    Buffer.concat([
      text('\x80\x04]\x94Na'),
      ...Array.from({ length: 60 }, (_, i) => Buffer.from([0x5d, 0x94, 0x28, 0x68, i, 0x68, i, 0x65])),
      text('.'),
    ]),
  ),
  named('a list that holds itself', text('\x80\x04]\x94h\x00a.')),
  named('a dictionary that holds itself', text('\x80\x04}\x94K\x01h\x00s.')),
  named(
    'memo: 300 000 entries',
    Buffer.concat([text('\x80\x04'), Buffer.alloc(300_000, 'N\x94', 'latin1'), text('.')]),
  ),
  named('memo: an entry far away', text('\x80\x02Nr\xff\xff\xff\xff.')),
  named('memo: GET of twenty digits', text('g99999999999999999999\n.')),
  named('memo: PUT of a negative number', text('Np-1\n.')),
  named(
    'BINUNICODE8 of 2 ** 64 - 1 bytes',
    Buffer.concat([text('\x80\x04\x8d'), Buffer.alloc(8, 0xff), text('abc.')]),
  ),
  named(
    'BINBYTES8 of 2 ** 64 - 1 bytes',
    Buffer.concat([text('\x80\x04\x8e'), Buffer.alloc(8, 0xff), text('abc.')]),
  ),
  named(
    'BYTEARRAY8 of 2 ** 62 bytes',
    Buffer.concat([text('\x80\x05\x96'), Buffer.from([0, 0, 0, 0, 0, 0, 0, 0x40]), text('abc.')]),
  ),
  named('BINBYTES of 2 ** 31 bytes', text('\x80\x04B\xff\xff\xff\x7fabc.')),
  named('LONG4 of 2 ** 31 bytes', text('\x80\x04\x8b\xff\xff\xff\x7fabc.')),
  named('LONG4 of a negative length', text('\x80\x04\x8b\xff\xff\xff\xff.')),
  named(
    'LONG4 of 100 000 bytes',
    Buffer.concat([text('\x80\x02\x8b\xa0\x86\x01\x00'), Buffer.alloc(100_000, 0x7f), text('.')]),
  ),
  named('INT of 100 000 digits', Buffer.concat([text('I'), Buffer.alloc(100_000, '9'), text('\n.')])),
  named('LONG of 100 000 digits', Buffer.concat([text('L'), Buffer.alloc(100_000, '9'), text('L\n.')])),
  named('FLOAT of 100 000 digits', Buffer.concat([text('F'), Buffer.alloc(100_000, '9'), text('\n.')])),
  named('a line without an end', Buffer.concat([text('S'), Buffer.alloc(100_000, 'a')])),
  named('a frame of 2 ** 63 - 1 bytes', text('\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.')),
  named('protocol 255', text('\x80\xff.')),
  named('PERSID', text('P1\n.')),
  named('BINPERSID', text('\x80\x02K\x01Q.')),
  named('NEXT_BUFFER', text('\x80\x05\x97.')),
  named('READONLY_BUFFER of nothing', text('\x80\x05\x98.')),
  named('STACK_GLOBAL of bytes', text('\x80\x04C\x02osC\x06system\x93.')),
  named('STACK_GLOBAL of one text', text('\x80\x04\x8c\x02os\x93.')),
  named('a bytearray of 2 ** 40 bytes', observationWith(call('builtins', 'bytearray', int(2 ** 40)))),
  named(
    'encode by a codec that inflates',
    observationWith(call('_codecs', 'encode', short('x'), short('zlib'))),
  ),
  named(
    'an array of objects',
    observationWith(call('numpy', 'ndarray', tuple(int(1)), short('|O8'), binBytes(Buffer.alloc(8)))),
  ),
  named(
    'an array of objects by its state',
    observationWith(
      call(
        'numpy._core.multiarray',
        '_reconstruct',
        text('cnumpy\nndarray\n'),
        tuple(int(0)),
        binBytes(text('b')),
      ),
      tuple(int(1), tuple(int(1)), dtype('O8'), text('\x89'), text(']')),
      text('b'),
    ),
  ),
  named(
    'a numpy number that is an object',
    observationWith(call('numpy._core.multiarray', 'scalar', dtype('O8'), binBytes(Buffer.alloc(8)))),
  ),
  named(
    'a numpy type with fields',
    observationWith(
      dtype('V8'),
      tuple(int(3), short('|'), text('N'), tuple(short('a')), text('}'), int(8), int(1), int(0)),
      text('b'),
    ),
  ),
  named(
    'an array of 2 ** 50 elements',
    observationWith(
      call('numpy', 'ndarray', tuple(int(2 ** 25), int(2 ** 25)), short('|u1'), binBytes(Buffer.alloc(1))),
    ),
  ),
  named(
    'an array of a negative size',
    observationWith(
      call('numpy', 'ndarray', tuple(int(-1), int(-1)), short('|u1'), binBytes(Buffer.alloc(1))),
    ),
  ),
  named(
    'an array of 40 axes',
    observationWith(
      call(
        'numpy',
        'ndarray',
        tuple(...Array.from({ length: 40 }, () => int(1))),
        short('|u1'),
        binBytes(Buffer.alloc(1)),
      ),
    ),
  ),
  named('a tensor beyond its storage', observationWith(tensor(FOUR, tuple(int(5)), tuple(int(1))))),
  named(
    'a tensor before its storage',
    observationWith(tensor(FOUR, tuple(int(4)), tuple(int(1)), HOOKS, int(-1))),
  ),
  named(
    'a tensor of 2 ** 40 elements without a stride',
    observationWith(tensor(FOUR, tuple(int(2 ** 40)), tuple(int(0)))),
  ),
  named('a tensor with a negative stride', observationWith(tensor(FOUR, tuple(int(4)), tuple(int(-1))))),
  named(
    'a storage of 2 ** 62 elements',
    observationWith(
      tensor(blob(storageId('ctorch\nFloatStorage\n', long(2n ** 62n))), tuple(int(4)), tuple(int(1))),
    ),
  ),
  named(
    'a storage of bytes that are none',
    observationWith(tensor(Buffer.alloc(0), tuple(int(4)), tuple(int(1)))),
  ),
  copies(),
];

/** One megabyte of numbers, of which each of a thousand values is another turned view. */
function copies(): NamedPickle {
  const side = 512;
  const storage = call(
    'torch.storage',
    '_load_from_bytes',
    binBytes(storageBlob(new Float32Array(side * side))),
  );
  const view = Buffer.concat([
    text('ctorch._utils\n_rebuild_tensor_v2\n(h\x00'),
    Buffer.concat([int(0), tuple(int(side), int(side)), tuple(int(1), int(side)), text('\x89'), HOOKS]),
    text('tR'),
  ]);
  const values = Array.from({ length: 1000 }, (_, i) => Buffer.concat([short(`k${i}`), view]));
  return named('a thousand turned copies of one storage', observationWith(storage, text('q\x00'), ...values));
}

/** State that must change nothing but the object it is given to, if it is read at all. */
export const POLLUTING: readonly NamedPickle[] = [
  '__proto__',
  'constructor',
  'prototype',
  '__class__',
  '__dict__',
  '__reduce__',
  '__setstate__',
  '__getattr__',
  'toString',
  'hasOwnProperty',
].flatMap((key) => [
  named(
    `a value called ${key}`,
    Buffer.concat([
      observationWith(text('N')).subarray(0, -4),
      short(key),
      text('}('),
      short('polluted'),
      text('\x88uuub.'),
    ]),
  ),
  named(
    `an attribute called ${key}`,
    Buffer.concat([
      text('\x80\x04clerobot.async_inference.helpers\nTimedObservation\n)\x81}('),
      Buffer.concat([short('timestamp'), text('K\x01'), short('timestep'), text('K\x01')]),
      Buffer.concat([
        short('observation'),
        text('}'),
        short(key),
        text('}('),
        short('polluted'),
        text('\x88uub.'),
      ]),
    ]),
  ),
]);
