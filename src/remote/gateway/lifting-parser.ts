import { Decoder, Encoder, type Packet } from 'socket.io-parser';
import type { Lifted } from './lift-base64.ts';
import type { LiftedUploads } from './lifted-uploads.ts';

/** Stands in a payload where a long base64 stood. */
export class LiftedBase64 implements Lifted {
  readonly #lifted: Lifted;

  constructor(lifted: Lifted) {
    this.#lifted = lifted;
  }

  get length(): number {
    return this.#lifted.length;
  }

  slice(from: number, to: number): string {
    return this.#lifted.slice(from, to);
  }
}

/** Socket.IO's own codec, for the server's option `parser`, but the base64 of a long `update` is not read as JSON. */
export function liftingParser(lifted: LiftedUploads): { Encoder: typeof Encoder; Decoder: typeof Decoder } {
  class LiftingDecoder extends Decoder {
    constructor(...options: ConstructorParameters<typeof Decoder>) {
      super(...options);
      // The first to listen: whoever listens later gets the packet with its base64 put in.
      this.on('decoded', (packet) => restore(packet, lifted));
    }

    override add(packet: unknown): void {
      super.add(typeof packet === 'string' ? lifted.liftText(packet) : packet);
    }
  }
  return { Encoder, Decoder: LiftingDecoder };
}

/** In an update base64 stays lifted, anywhere else it becomes the text again that it was. */
function restore(packet: Packet, lifted: LiftedUploads): void {
  if (!Array.isArray(packet.data)) return;
  const [event, payload] = packet.data as unknown[];
  if (event === 'update' && typeof payload === 'object' && payload !== null) {
    for (const [key, value] of Object.entries(payload)) {
      const found = typeof value === 'string' ? lifted.take(value) : undefined;
      if (found !== undefined) Object.assign(payload, { [key]: new LiftedBase64(found) });
    }
  }
  packet.data = lifted.restored(packet.data);
}
