import protobuf from 'protobufjs/minimal.js';

/**
 * The messages of LeRobot's `transport.AsyncInference` service (proto3):
 *
 *   enum TransferState { TRANSFER_UNKNOWN = 0; TRANSFER_BEGIN = 1; TRANSFER_MIDDLE = 2; TRANSFER_END = 3; }
 *   message Observation { TransferState transfer_state = 1; bytes data = 2; }
 *   message Actions     { bytes data = 1; }
 *   message PolicySetup { bytes data = 1; }
 *   message Empty       { }
 *
 * and of our own `myelin.Inference`:
 *
 *   message Description  { bytes json = 1; }
 *   message InferRequest { bytes observation = 1; bytes options_json = 2; bytes previous = 3; bytes noise = 4; }
 *   message InferReply   { bytes actions = 1; bytes timing_json = 2; }
 */
export const TransferState = { UNKNOWN: 0, BEGIN: 1, MIDDLE: 2, END: 3 } as const;

/** One piece of an observation. */
export interface ObservationPiece {
  readonly state: number;
  readonly data: Uint8Array;
}

export interface InferRequest {
  /** A `TimedObservation`, in the form of the stock messages. */
  readonly observation: Uint8Array;
  /** JSON. */
  readonly options: Uint8Array;
  /** Rows of the previous chunk that are not executed yet, float32, little end first. */
  readonly previous: Uint8Array;
  /** The noise to begin with, float32, little end first. */
  readonly noise: Uint8Array;
}

export interface InferReply {
  /** A list of `TimedAction`, in the form of the stock messages. */
  readonly actions: Uint8Array;
  /** JSON. */
  readonly timing: Uint8Array;
}

const VARINT = 0;
const BYTES = 2;
const tag = (field: number, type: number): number => (field << 3) | type;
const NOTHING: Uint8Array = new Uint8Array(0);

/** Fields of bytes, in order, and a number before them; megabytes are copied once, not twice. */
function write(fields: readonly Uint8Array[], state?: number): Buffer {
  const first = state === undefined ? 1 : 2;
  const parts = fields.flatMap((bytes, i) => {
    if (bytes.length === 0) return [];
    return [
      protobuf.Writer.create()
        .uint32(tag(first + i, BYTES))
        .uint32(bytes.length)
        .finish(),
      bytes,
    ];
  });
  if (state !== undefined)
    parts.unshift(protobuf.Writer.create().uint32(tag(1, VARINT)).int32(state).finish());
  return Buffer.concat(parts);
}

/**
 * Fields by number; those of bytes are views of the message. Unknown ones are skipped, as proto3 wants.
 * @throws RangeError or Error for bytes that are not a message
 */
function read(message: Buffer): { bytes: (field: number) => Uint8Array; number: (field: number) => number } {
  const reader = protobuf.Reader.create(message);
  const found = new Map<number, Uint8Array | number>();
  while (reader.pos < reader.len) {
    const head = reader.uint32();
    const type = head & 7;
    if (type === BYTES) found.set(head >>> 3, reader.bytes());
    else if (type === VARINT) found.set(head >>> 3, reader.int32());
    else reader.skipType(type);
  }
  const bytes = (field: number) => {
    const value = found.get(field);
    return value instanceof Uint8Array ? value : NOTHING;
  };
  return { bytes, number: (field) => Number(found.get(field) ?? 0) };
}

export const encodePiece = ({ state, data }: ObservationPiece): Buffer => write([data], state);
export const decodePiece = (message: Buffer): ObservationPiece => {
  const fields = read(message);
  return { state: fields.number(1), data: fields.bytes(2) };
};

/** `Actions`, `PolicySetup` and `Description`. No data is an empty message. */
export const encodeData = (data: Uint8Array): Buffer => write([data]);
export const decodeData = (message: Buffer): Uint8Array => read(message).bytes(1);

export const encodeInferRequest = ({ observation, options, previous, noise }: InferRequest): Buffer =>
  write([observation, options, previous, noise]);
export const decodeInferRequest = (message: Buffer): InferRequest => {
  const { bytes } = read(message);
  return { observation: bytes(1), options: bytes(2), previous: bytes(3), noise: bytes(4) };
};

export const encodeInferReply = ({ actions, timing }: InferReply): Buffer => write([actions, timing]);
export const decodeInferReply = (message: Buffer): InferReply => {
  const { bytes } = read(message);
  return { actions: bytes(1), timing: bytes(2) };
};
