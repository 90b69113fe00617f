import { accessSync, constants } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { ControlState } from '../core/control-state.ts';
import { MyelinError } from '../core/errors.ts';
import type { InferenceNode } from '../inference/inference-node.ts';
import { emptyShare, type QueueSample, queuePlot, queueSparkline } from '../inference/queue-plot.ts';

const PLOT_FILE = 'queue-size.svg';
const SAMPLE_MS = 33;
/** Two hours. */
const MAX_SAMPLES = 216_000;
const SPARKLINE = 60;

const FORMS = new Set(['.svg', '.png']);
/** As LeRobot's command line takes a yes or no. */
const TRUTHS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
]);

/** The value of `--debug_visualize_queue_size`: a file, or LeRobot's True and False. */
export function plotFile(text: string): string | boolean {
  const truth = TRUTHS.get(text.toLowerCase());
  if (truth !== undefined) return truth;
  if (FORMS.has(extname(text).toLowerCase())) return text;
  throw new InvalidArgumentError('must be a file that ends with .svg or .png, or true or false.');
}

/** Watches the action queue while the arm runs, and draws it in the end. */
export class QueueRecorder {
  readonly #file: string;
  readonly #samples: QueueSample[] = [];
  #capacity = 1;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param file ends with .svg or .png; true for the default one
   * @throws MyelinError FILE_UNWRITABLE, before an arm has moved for a plot that cannot be kept
   */
  constructor(file: string | true) {
    this.#file = file === true ? PLOT_FILE : file;
    try {
      accessSync(dirname(this.#file), constants.W_OK);
    } catch (cause) {
      throw unwritable(this.#file, cause);
    }
  }

  /** Begins with the first chunk: before it the queue is empty because nobody asked. */
  watch(node: Pick<InferenceNode, 'status'>): () => readonly string[] {
    let runningMs = 0;
    let lookedMs = performance.now();
    this.#timer = setInterval(() => {
      const { queueDepth, queueCapacity, controlState, inferences } = node.status;
      const nowMs = performance.now();
      const sinceMs = nowMs - lookedMs;
      lookedMs = nowMs;
      this.#capacity = queueCapacity;
      if (controlState !== ControlState.RUNNING || inferences === 0) return;
      if (this.#samples.length >= MAX_SAMPLES) return;
      this.#samples.push({ atS: runningMs / 1000, depth: queueDepth });
      runningMs += sinceMs;
    }, SAMPLE_MS).unref();
    return () => [`queued      ${queueSparkline(this.#samples, this.#capacity, SPARKLINE)}`];
  }

  /** Writes the plot and says where it is. @throws MyelinError FILE_UNWRITABLE */
  async write(): Promise<string> {
    clearInterval(this.#timer);
    const file = this.#file;
    if (this.#samples.length === 0) return `no plot in ${file}: the arm executed no actions`;
    const svg = queuePlot(this.#samples, this.#capacity);
    const bytes = extname(file).toLowerCase() === '.png' ? await toPng(svg) : svg;
    await writeFile(file, bytes).catch((cause: unknown) => {
      throw unwritable(file, cause);
    });
    const share = (100 * emptyShare(this.#samples)).toFixed(1);
    return `the queue was empty ${share} % of the time the arm ran; plot in ${file}`;
  }
}

async function toPng(svg: string): Promise<Buffer> {
  const { default: sharp } = await import('sharp');
  return sharp(Buffer.from(svg)).png().toBuffer();
}

function unwritable(file: string, cause: unknown): MyelinError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const advice = 'Name another file with --debug-visualize-queue-size.';
  return new MyelinError('FILE_UNWRITABLE', { file, bytes: 100_000, reason, advice }, { cause });
}
