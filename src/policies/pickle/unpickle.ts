import { MyelinError } from '../../core/errors.ts';
import { type AllowList, DEFAULT_LIMITS, type PickleLimits, PickleRefusal } from './allow-list.ts';
import { ByteCursor } from './byte-cursor.ts';
import { INSTRUCTIONS } from './instructions.ts';
import { Machine, type PersistentLoad } from './machine.ts';
import { opcodeName } from './opcodes.ts';

export interface UnpickleOptions {
  /** The only names it may mention. */
  readonly allow: AllowList;
  readonly limits?: PickleLimits;
  /** Gives the value of a reference to something outside the pickle. Default: such references are refused. */
  readonly persistentLoad?: PersistentLoad;
  /** Where the bytes came from, for messages. Default "the message". */
  readonly source?: string;
}

/**
 * Reads a Python pickle, protocols 0 to 5, as data. None, booleans, integers (bigint when a number cannot hold them),
 * floats, texts, bytes (views of the input), lists and tuples (both arrays), dictionaries (maps) and sets are made;
 * names are looked up in the allow-list and nowhere else, and calls go to its builders, which are ours. The result
 * holds no value inside itself, and its depth and size, with all sharing written out, are within the limits.
 *
 * @throws MyelinError PICKLE_FORBIDDEN for any other name, PICKLE_INVALID for everything else, with opcode and offset
 * @example unpickle(bytes, { allow: new Map([['collections.OrderedDict', orderedDict]]) })
 */
export function unpickle(bytes: Uint8Array, options: UnpickleOptions): unknown {
  const { value, end } = unpickleAt(bytes, 0, options);
  if (end !== bytes.length) {
    const detail = `${bytes.length - end} bytes follow its end`;
    throw new MyelinError('PICKLE_INVALID', {
      source: sourceOf(options),
      detail,
      opcode: 'STOP',
      offset: end,
    });
  }
  return value;
}

/**
 * The same for a pickle that more data follows.
 * @returns its value, and the offset of the first byte behind it
 */
export function unpickleAt(
  bytes: Uint8Array,
  start: number,
  options: UnpickleOptions,
): { value: unknown; end: number } {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const input = new ByteCursor(bytes, start);
  const { allow, persistentLoad } = options;
  const machine = new Machine(input, { ...limits, allow, persistentLoad });
  let opcode = 'none';
  let offset = start;
  try {
    if (input.left > limits.bytes)
      throw new PickleRefusal(`it is ${input.left} bytes long, the limit is ${limits.bytes}`);
    for (let operations = 0; operations < limits.operations; operations++) {
      offset = input.position;
      opcode = 'none';
      const code = input.u8();
      const name = opcodeName(code);
      if (name === undefined) throw new PickleRefusal(`0x${code.toString(16)} is not an opcode`);
      opcode = name;
      if (name === 'STOP') return { value: machine.result(), end: input.position };
      INSTRUCTIONS[name](machine);
    }
    throw new PickleRefusal(`it is longer than ${limits.operations} operations`);
  } catch (cause) {
    const source = sourceOf(options);
    const where = { source, opcode, offset };
    if (cause instanceof PickleRefusal && cause.forbidden !== undefined)
      throw new MyelinError('PICKLE_FORBIDDEN', { ...where, name: cause.forbidden }, { cause });
    if (cause instanceof PickleRefusal)
      throw new MyelinError('PICKLE_INVALID', { ...where, detail: cause.message }, { cause });
    throw cause;
  }
}

const sourceOf = ({ source }: UnpickleOptions) => source ?? 'the message';
