import { MyelinError } from '../../core/errors.ts';
import { type ObservationPiece, TransferState } from './protobuf.ts';

/** Payload of one message; upstream's size, which its 4 MiB message limit leaves room for. */
export const PIECE_BYTES = 2 * 1024 * 1024;

/** Most bytes an observation may have: ten cameras of 1920x1080 fit. */
export const MAX_OBSERVATION_BYTES = 64 * 1024 * 1024;

/**
 * Cuts a payload into messages: the last one is END, the first of several BEGIN. A payload of one piece is END alone,
 * an empty one no message at all.
 */
export function* pieces(payload: Uint8Array, pieceBytes: number = PIECE_BYTES): Generator<ObservationPiece> {
  for (let sent = 0; sent < payload.length; sent += pieceBytes) {
    const last = sent + pieceBytes >= payload.length;
    const state = last ? TransferState.END : sent === 0 ? TransferState.BEGIN : TransferState.MIDDLE;
    yield { state, data: payload.subarray(sent, sent + pieceBytes) };
  }
}

/**
 * Puts the pieces of payloads together. BEGIN starts anew, MIDDLE goes on, END goes on and ends; BEGIN may be missing.
 * Nothing of more than `maxBytes` is ever kept.
 */
export class Assembler {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(maxBytes: number = MAX_OBSERVATION_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes kept now. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * A whole payload when the piece ends one.
   * @throws MyelinError MESSAGE_INVALID for an unknown state or too many bytes
   */
  add({ state, data }: ObservationPiece): Uint8Array | undefined {
    if (state === TransferState.BEGIN) this.#clear();
    else if (state !== TransferState.MIDDLE && state !== TransferState.END)
      throw invalid(`the transfer state ${state} is not known`);
    this.#bytes += data.length;
    if (this.#bytes > this.#maxBytes) {
      this.#clear();
      throw invalid(`an observation is longer than ${this.#maxBytes} bytes`);
    }
    this.#parts.push(data);
    if (state !== TransferState.END) return undefined;
    const [only] = this.#parts;
    const whole = this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts);
    this.#clear();
    return whole;
  }

  #clear(): void {
    this.#parts = [];
    this.#bytes = 0;
  }
}

const invalid = (detail: string) => new MyelinError('MESSAGE_INVALID', { detail });
