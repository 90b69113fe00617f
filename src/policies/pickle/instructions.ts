import { PickleRefusal } from './allow-list.ts';
import {
  decimalFloat,
  decimalInteger,
  latin1Text,
  littleEndianInteger,
  MAX_DIGITS,
  quotedString,
  rawUnicodeEscapes,
  textOrBytes,
  utf8Text,
} from './literals.ts';
import type { Machine } from './machine.ts';
import type { OpcodeName } from './opcodes.ts';

type Instruction = (machine: Machine) => void;

const NEWEST_PROTOCOL = 5;
/** Longest module or attribute name, bytes. */
const MAX_NAME = 1024;

const number = (machine: Machine) => latin1Text(machine.input.line(MAX_DIGITS)).trim();
const name = (machine: Machine) => utf8Text(machine.input.line(MAX_NAME));
const wholeLine = (machine: Machine) => machine.input.line(machine.input.left);

function index(machine: Machine): number {
  const value = decimalInteger(number(machine));
  if (typeof value !== 'number' || value < 0) throw new PickleRefusal(`${value} is not a place in the memo`);
  return value;
}

/** `I01` and `I00` are how protocols 0 and 1 write True and False. */
const integerOrBoolean = (text: string) =>
  text === '01' ? true : text === '00' ? false : decimalInteger(text);

function signedLength(machine: Machine): number {
  const length = machine.input.i32();
  if (length < 0) throw new PickleRefusal(`a length is ${length}`);
  return length;
}

const extension: Instruction = () => {
  throw new PickleRefusal('it uses a code of the extension registry, which stands for a name', 'copyreg');
};

/** What each opcode does. */
export const INSTRUCTIONS: Readonly<Record<Exclude<OpcodeName, 'STOP'>, Instruction>> = {
  PROTO: ({ input }) => {
    const version = input.u8();
    if (version > NEWEST_PROTOCOL)
      throw new PickleRefusal(`protocol ${version} is newer than ${NEWEST_PROTOCOL}`);
  },
  // A frame only tells a reader of a stream how much to fetch.
  FRAME: ({ input }) => {
    const length = input.u64();
    if (length > input.left) throw new PickleRefusal(`a frame of ${length} bytes, ${input.left} are left`);
  },

  MARK: (machine) => machine.mark(),
  POP: (machine) => machine.drop(),
  POP_MARK: (machine) => void machine.popToMark(),
  DUP: (machine) => machine.push(machine.top()),

  NONE: (machine) => machine.push(null),
  NEWTRUE: (machine) => machine.push(true),
  NEWFALSE: (machine) => machine.push(false),
  INT: (machine) => machine.push(integerOrBoolean(number(machine))),
  BININT: (machine) => machine.push(machine.input.i32()),
  BININT1: (machine) => machine.push(machine.input.u8()),
  BININT2: (machine) => machine.push(machine.input.u16()),
  LONG: (machine) => machine.push(decimalInteger(number(machine).replace(/L$/, ''))),
  LONG1: (machine) => machine.push(littleEndianInteger(machine.input.take(machine.input.u8()))),
  LONG4: (machine) => machine.push(littleEndianInteger(machine.input.take(signedLength(machine)))),
  FLOAT: (machine) => machine.push(decimalFloat(number(machine))),
  BINFLOAT: (machine) => machine.push(machine.input.f64()),

  STRING: (machine) => machine.push(quotedString(wholeLine(machine))),
  BINSTRING: (machine) => machine.push(textOrBytes(machine.input.take(signedLength(machine)))),
  SHORT_BINSTRING: (machine) => machine.push(textOrBytes(machine.input.take(machine.input.u8()))),
  UNICODE: (machine) => machine.push(rawUnicodeEscapes(wholeLine(machine))),
  BINUNICODE: (machine) => machine.push(utf8Text(machine.input.take(machine.input.u32()))),
  SHORT_BINUNICODE: (machine) => machine.push(utf8Text(machine.input.take(machine.input.u8()))),
  BINUNICODE8: (machine) => machine.push(utf8Text(machine.input.take(machine.input.u64()))),
  BINBYTES: (machine) => machine.push(machine.input.take(machine.input.u32())),
  SHORT_BINBYTES: (machine) => machine.push(machine.input.take(machine.input.u8())),
  BINBYTES8: (machine) => machine.push(machine.input.take(machine.input.u64())),
  BYTEARRAY8: (machine) => machine.push(machine.input.take(machine.input.u64())),
  NEXT_BUFFER: () => {
    throw new PickleRefusal('it needs a buffer from outside the pickle');
  },
  READONLY_BUFFER: (machine) => {
    if (!(machine.top() instanceof Uint8Array)) throw new PickleRefusal('it protects what is not a buffer');
  },

  EMPTY_TUPLE: (machine) => machine.pushArray([]),
  TUPLE1: (machine) => machine.pushArray(machine.popMany(1)),
  TUPLE2: (machine) => machine.pushArray(machine.popMany(2)),
  TUPLE3: (machine) => machine.pushArray(machine.popMany(3)),
  TUPLE: (machine) => machine.pushArray(machine.popToMark()),
  EMPTY_LIST: (machine) => machine.pushArray([]),
  LIST: (machine) => machine.pushArray(machine.popToMark()),
  APPEND: (machine) => machine.append(machine.popMany(1)),
  APPENDS: (machine) => machine.append(machine.popToMark()),
  EMPTY_DICT: (machine) => machine.pushDict([]),
  DICT: (machine) => machine.pushDict(machine.popToMark()),
  SETITEM: (machine) => machine.setItems(machine.popMany(2)),
  SETITEMS: (machine) => machine.setItems(machine.popToMark()),
  EMPTY_SET: (machine) => machine.pushSet([]),
  ADDITEMS: (machine) => machine.addItems(machine.popToMark()),
  FROZENSET: (machine) => machine.pushSet(machine.popToMark()),

  PUT: (machine) => machine.memoize(index(machine)),
  BINPUT: (machine) => machine.memoize(machine.input.u8()),
  LONG_BINPUT: (machine) => machine.memoize(machine.input.u32()),
  MEMOIZE: (machine) => machine.memoizeNext(),
  GET: (machine) => machine.recall(index(machine)),
  BINGET: (machine) => machine.recall(machine.input.u8()),
  LONG_BINGET: (machine) => machine.recall(machine.input.u32()),

  GLOBAL: (machine) => machine.push(machine.global(name(machine), name(machine))),
  STACK_GLOBAL: (machine) => {
    const [module, attribute] = machine.popMany(2);
    machine.push(machine.global(module, attribute));
  },
  REDUCE: (machine) => {
    const [target, args] = machine.popMany(2);
    machine.make(target, args);
  },
  NEWOBJ: (machine) => {
    const [target, args] = machine.popMany(2);
    machine.make(target, args);
  },
  NEWOBJ_EX: (machine) => {
    const [target, args, keywords] = machine.popMany(3);
    if (!(keywords instanceof Map) || keywords.size > 0)
      throw new PickleRefusal('it makes an object from arguments by name');
    machine.make(target, args);
  },
  INST: (machine) => machine.make(machine.global(name(machine), name(machine)), machine.popToMark()),
  OBJ: (machine) => {
    const [target, ...args] = machine.popToMark();
    machine.make(target, args);
  },
  BUILD: (machine) => machine.build(machine.pop()),
  PERSID: (machine) => machine.persistent(name(machine)),
  BINPERSID: (machine) => machine.persistent(machine.pop()),
  EXT1: extension,
  EXT2: extension,
  EXT4: extension,
};
