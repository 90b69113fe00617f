/** Pushes that may come at once, and a second after that. */
const BURST = 1000;
const PER_S = 1000;

/** Lets a project push 1000 events a second. More are dropped, and counted: `takeDropped` says how many since. */
export class PushGate {
  readonly #nowS: () => number;
  #room = BURST;
  #lastS: number;
  #dropped = 0;

  constructor(nowS: () => number = () => performance.now() / 1000) {
    this.#nowS = nowS;
    this.#lastS = nowS();
  }

  admits(): boolean {
    const nowS = this.#nowS();
    this.#room = Math.min(BURST, this.#room + (nowS - this.#lastS) * PER_S);
    this.#lastS = nowS;
    if (this.#room < 1) {
      this.#dropped += 1;
      return false;
    }
    this.#room -= 1;
    return true;
  }

  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
