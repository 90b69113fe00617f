import type { ServerReadableStream } from '@grpc/grpc-js';
import { MyelinError } from '../../core/errors.ts';
import type { ObservationPiece } from './protobuf.ts';
import { Assembler } from './transfer.ts';

/** All observations that are arriving together, so that many half-sent ones cannot fill the memory. */
const MAX_ARRIVING_BYTES = 256 * 1024 * 1024;
/** An observation that takes longer to arrive is of no use. */
const ARRIVAL_MS = 30_000;

/** Observations on their way in, from all clients. */
export class Arrivals {
  #bytes = 0;
  #underWay = 0;

  /** The payload of a call, put together as its pieces arrive. */
  receive(call: ServerReadableStream<ObservationPiece, object>, signal: AbortSignal): Promise<Uint8Array> {
    const assembler = new Assembler();
    return new Promise<Uint8Array>((resolve, reject) => {
      const invalid = (detail: string) => reject(new MyelinError('MESSAGE_INVALID', { detail }));
      const timer = setTimeout(() => {
        done();
        invalid(`an observation took more than ${ARRIVAL_MS / 1000} s to arrive`);
      }, ARRIVAL_MS);
      let counted = 0;
      let over = false;
      this.#underWay += 1;
      const done = () => {
        if (over) return;
        over = true;
        this.#underWay -= 1;
        clearTimeout(timer);
        this.#bytes -= counted;
        call.removeListener('data', take);
      };
      const take = (piece: ObservationPiece) => {
        try {
          const whole = assembler.add(piece);
          this.#bytes += assembler.bytes - counted;
          counted = assembler.bytes;
          if (whole !== undefined) resolve(whole);
          else if (this.#bytes > MAX_ARRIVING_BYTES)
            throw new MyelinError('SERVER_FULL', { clients: this.#underWay });
          else return;
        } catch (thrown) {
          reject(thrown as Error);
        }
        done();
      };
      call.on('data', take);
      call.on('end', () => {
        done();
        invalid('the observation ended before its last piece');
      });
      call.on('error', (error) => {
        done();
        reject(error);
      });
      signal.addEventListener('abort', () => {
        done();
        reject(signal.reason as Error);
      });
    });
  }
}
