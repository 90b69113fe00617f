import { distEntry } from '../../platform/entry.ts';
import { type JsonLinesChild, startJsonLines } from './json-lines-child.ts';
import {
  type ClientSetup,
  type ClientTask,
  readySchema,
  type Times,
  timesSchema,
} from './remote-messages.ts';

/** A stock client in a process of its own, connected. */
export class MeasuringClient {
  readonly #child: JsonLinesChild;

  private constructor(child: JsonLinesChild) {
    this.#child = child;
  }

  /** @throws Error with its last words when it cannot connect */
  static async start(setup: ClientSetup): Promise<MeasuringClient> {
    const command = [process.execPath, distEntry('cli/bench/remote-client-child.js'), JSON.stringify(setup)];
    const child = startJsonLines(command);
    try {
      await child.next(readySchema);
      return new MeasuringClient(child);
    } catch (thrown) {
      await child.close();
      throw thrown;
    }
  }

  carryOut(task: Exclude<ClientTask, { do: 'enough' | 'stops' }>): Promise<Times> {
    this.#child.nudge(JSON.stringify(task));
    return this.#child.next(timesSchema);
  }

  /** Asks for one stop after the other for as long as `work` takes. */
  async stopsWhile(pauseMs: number, work: () => Promise<unknown>): Promise<Times> {
    this.#child.nudge(JSON.stringify({ do: 'stops', pauseMs } satisfies ClientTask));
    await work();
    this.#child.nudge(JSON.stringify({ do: 'enough' } satisfies ClientTask));
    return this.#child.next(timesSchema);
  }

  close(): Promise<void> {
    return this.#child.close();
  }
}
