import { LineSplitter } from './line-splitter.ts';

const MOST_LINE_BYTES = 8 * 1024;
/** Lines that may come at once, and a second after that. */
const BURST_LINES = 2000;
const LINES_PER_S = 500;

type Sink = (stream: 'stdout' | 'stderr' | 'system', text: string) => void;

/**
 * What a project prints. Lines over 8 KiB are cut. After 2000 lines at once 500 a second pass; the others are dropped,
 * and how many is told with the next line that passes, and at the end.
 */
export class LogIntake {
  readonly #sink: Sink;
  readonly #nowS: () => number;
  #room = BURST_LINES;
  #lastS: number;
  #dropped = 0;

  constructor(sink: Sink, nowS: () => number = () => performance.now() / 1000) {
    this.#sink = sink;
    this.#nowS = nowS;
    this.#lastS = nowS();
  }

  /** A splitter whose lines come from one of the two streams. */
  stream(stream: 'stdout' | 'stderr'): LineSplitter {
    return new LineSplitter(
      MOST_LINE_BYTES,
      (line) => this.line(stream, line),
      (start) => this.line(stream, start, ' ... (cut: the line is longer than 8 KiB)'),
    );
  }

  line(stream: 'stdout' | 'stderr', text: string, remark = ''): void {
    const nowS = this.#nowS();
    this.#room = Math.min(BURST_LINES, this.#room + (nowS - this.#lastS) * LINES_PER_S);
    this.#lastS = nowS;
    if (this.#room < 1) {
      this.#dropped += 1;
      return;
    }
    this.#room -= 1;
    this.tellDropped();
    this.#sink(stream, text.slice(0, MOST_LINE_BYTES) + remark);
  }

  tellDropped(): void {
    if (this.#dropped === 0) return;
    this.#sink('system', `${this.#dropped} lines were dropped: more than ${LINES_PER_S} a second`);
    this.#dropped = 0;
  }
}
