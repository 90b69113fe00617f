import { type AllowList, type Builder, PickleRefusal } from './allow-list.ts';
import { latin1Text } from './literals.ts';

/** An object of a class with attributes, as data: the class's name and what was put into it. */
export class PickledRecord {
  readonly className: string;
  readonly fields = new Map<string, unknown>();

  constructor(className: string) {
    this.className = className;
  }
}

/** Objects of a plain class (a dataclass, a namespace): made without arguments, then given their attributes. */
export const recordBuilder = (className: string): Builder => ({
  make: (args) => {
    if (args.length > 0) throw new PickleRefusal(`${className} is made with arguments`);
    return new PickledRecord(className);
  },
  fill: (made, state) => {
    if (!(made instanceof PickledRecord) || !(state instanceof Map))
      throw new PickleRefusal(`the state of ${className} is not a dictionary`);
    for (const [field, value] of state) {
      if (typeof field !== 'string') throw new PickleRefusal(`${className} has an attribute without a name`);
      made.fields.set(field, value);
    }
  },
});

/** A dictionary, empty or from key and value pairs. Attributes of its own (torch keeps `_metadata`) are left out. */
const dictionary: Builder = {
  make: ([pairs = [], ...rest]) => {
    if (!Array.isArray(pairs) || rest.length > 0)
      throw new PickleRefusal('a dictionary is not made from pairs');
    return new Map(
      pairs.map((pair: unknown): [unknown, unknown] => {
        if (!Array.isArray(pair) || pair.length !== 2)
          throw new PickleRefusal('a dictionary is not made from pairs');
        return [pair[0], pair[1]];
      }),
    );
  },
  fill: () => undefined,
};

/** How protocols before 3 write bytes: a text, encoded as Latin-1. */
const encode: Builder = {
  make: ([text, encoding = 'latin1']) => {
    if (typeof text !== 'string' || (encoding !== 'latin1' && encoding !== 'latin-1'))
      throw new PickleRefusal('bytes are not given as Latin-1');
    const bytes = Uint8Array.from(Buffer.from(text, 'latin1'));
    if (latin1Text(bytes) !== text) throw new PickleRefusal('a character is not Latin-1');
    return bytes;
  },
};

/** `bytes()` and `bytearray()`, from nothing or from bytes. */
const byteString: Builder = {
  make: ([bytes = new Uint8Array(0), ...rest]) => {
    if (!(bytes instanceof Uint8Array) || rest.length > 0)
      throw new PickleRefusal('bytes are made from something else');
    return bytes.slice();
  },
};

/** Containers of Python's standard library that hold nothing but data. */
export const CONTAINERS: AllowList = new Map([
  ['collections.OrderedDict', dictionary],
  ['_codecs.encode', encode],
  ['builtins.bytes', byteString],
  ['builtins.bytearray', byteString],
  ['__builtin__.bytes', byteString],
  ['__builtin__.bytearray', byteString],
  ['argparse.Namespace', recordBuilder('argparse.Namespace')],
]);
