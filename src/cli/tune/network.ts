import type { Random } from '../../world/random.ts';

/** A network and a model behind it, simulated. */
export interface NetworkOptions {
  /** A round trip without the model, ms. */
  readonly latencyMs: number;
  /** It is shorter or longer by up to this much, evenly, ms. */
  readonly jitterMs: number;
  /** Share of round trips that lose a packet, 0 to 1. */
  readonly loss: number;
  /** What the model takes, ms. */
  readonly modelMs: number;
}

/** A lost packet is sent again after this long: the least retransmission timeout of Linux, ms. */
const RETRANSMIT_MS = 200;

/** Draws how long it takes from an observation to its chunk, s. */
export const answerTimes =
  ({ latencyMs, jitterMs, loss, modelMs }: NetworkOptions, random: Random): (() => number) =>
  () => {
    const tripMs = Math.max(0, latencyMs + jitterMs * (2 * random() - 1));
    const lostMs = random() < loss ? RETRANSMIT_MS : 0;
    return (tripMs + lostMs + modelMs) / 1000;
  };
