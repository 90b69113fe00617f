import type { Random } from '../random.ts';

/** What can be done to frames on the bus. */
export const FRAME_FAULTS = ['lost', 'corrupted', 'late'] as const;
export type FrameFaultKind = (typeof FRAME_FAULTS)[number];

/** `command` = towards a motor, `reply` = from one. */
export type FaultDirection = 'command' | 'reply' | 'both';

/** One rule. It applies to the frames that match, with `probability`, until `count` frames were hit. */
export interface FrameFault {
  readonly kind: FrameFaultKind;
  /** CAN id of the motor the frame goes to or comes from; undefined = every motor. */
  readonly motor?: number | undefined;
  /** Default `both`. */
  readonly direction?: FaultDirection | undefined;
  /** 0 to 1, default 1. */
  readonly probability?: number | undefined;
  /** Frames to hit before the rule is spent; undefined = no end. */
  readonly count?: number | undefined;
  /** For `late`: how long the frame is held back, ms. Default 5. */
  readonly delayMs?: number | undefined;
}

const DEFAULT_DELAY_MS = 5;
const NS_PER_MS = 1e6;

/** The rules in force. Which frames a probability hits depends on the seed alone. */
export class FaultPlan {
  readonly #random: Random;
  #rules: { readonly fault: FrameFault; left: number }[] = [];
  /** Frames hit so far, by kind. */
  readonly hits: Record<FrameFaultKind, number> = { lost: 0, corrupted: 0, late: 0 };

  constructor(random: Random) {
    this.#random = random;
  }

  add(fault: FrameFault): void {
    this.#rules.push({ fault, left: fault.count ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#rules = [];
  }

  get active(): readonly FrameFault[] {
    return this.#rules.map((rule) => rule.fault);
  }

  /** The fault that hits a frame of `motor` going this way, or undefined. Draws from the seed only when a rule matches. */
  judge(motor: number, isReply: boolean): FrameFault | undefined {
    if (this.#rules.length === 0) return undefined;
    for (const rule of this.#rules) {
      const { fault } = rule;
      if (fault.motor !== undefined && fault.motor !== motor) continue;
      if (fault.direction === 'command' && isReply) continue;
      if (fault.direction === 'reply' && !isReply) continue;
      if (fault.probability !== undefined && this.#random() >= fault.probability) continue;
      rule.left -= 1;
      if (rule.left <= 0) this.#rules = this.#rules.filter((other) => other !== rule);
      this.hits[fault.kind] += 1;
      return fault;
    }
    return undefined;
  }

  delayNs = (fault: FrameFault): number => (fault.delayMs ?? DEFAULT_DELAY_MS) * NS_PER_MS;

  /** Flips one to three bits, as interference that slips past the checksum would. */
  corrupt(data: Uint8Array, length: number): void {
    if (length === 0) return;
    const flips = 1 + Math.floor(this.#random() * 3);
    for (let i = 0; i < flips; i += 1) {
      const bit = Math.floor(this.#random() * length * 8);
      data[bit >> 3] = (data[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    }
  }
}
