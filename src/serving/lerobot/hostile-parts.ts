/** A hostile pickle, and what people call its trick. */
export interface NamedPickle {
  readonly name: string;
  readonly bytes: Buffer;
}

export const named = (name: string, bytes: Buffer): NamedPickle => ({ name, bytes });

/** Opcodes and ASCII as they are. */
export const text = (value: string): Buffer => Buffer.from(value, 'latin1');

/** SHORT_BINUNICODE */
export const short = (value: string): Buffer =>
  Buffer.concat([Buffer.from([0x8c, value.length]), text(value)]);

/** Two texts and STACK_GLOBAL. */
export const stackName = (module: string, name: string): Buffer =>
  Buffer.concat([short(module), short(name), text('\x93')]);

/** BINBYTES */
export function binBytes(bytes: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write('B', 'latin1');
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** LONG1 of eight bytes. */
export function long(value: bigint): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.set([0x8a, 8]);
  bytes.writeBigInt64LE(value, 2);
  return bytes;
}

/** A sound observation of LeRobot's, with this as one of its values. */
export const observationWith = (...value: readonly Buffer[]): Buffer =>
  Buffer.concat([
    text('\x80\x04clerobot.async_inference.helpers\nTimedObservation\n)\x81}('),
    Buffer.concat([short('timestamp'), text('K\x01'), short('timestep'), text('K\x01')]),
    Buffer.concat([short('must_go'), text('\x88'), short('observation'), text('}('), short('x')]),
    ...value,
    text('uub.'),
  ]);
