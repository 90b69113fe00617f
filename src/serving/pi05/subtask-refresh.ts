/** What is refreshed, and whom it is told. */
export interface SubtaskRefreshSettings {
  /**
   * Makes a new subtask from the client's latest observation, and tells the client. `count` is the number of this
   * one, from 1. Resolves with whether it was told.
   */
  readonly refresh: (count: number) => Promise<boolean>;
  /** Called with a failure; the next refresh comes all the same. */
  readonly onFailure: (thrown: unknown) => void;
}

/** Refreshes a subtask at an interval that may change while it runs. A refresh never overlaps the one before. */
export class SubtaskRefresh implements Disposable {
  readonly #settings: SubtaskRefreshSettings;
  #timer: NodeJS.Timeout | undefined;
  #intervalS: number | undefined;
  #running = false;
  #count = 0;

  constructor(settings: SubtaskRefreshSettings) {
    this.#settings = settings;
  }

  /** Seconds between refreshes; undefined when none come. */
  get intervalS(): number | undefined {
    return this.#intervalS;
  }

  /** Starts, changes or (undefined) stops. The same interval again lets the running one be. */
  set(intervalS: number | undefined): void {
    if (intervalS === this.#intervalS) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#intervalS === undefined) this.#count = 0;
    this.#intervalS = intervalS;
    if (intervalS !== undefined) this.#timer = setInterval(() => void this.#tick(), 1000 * intervalS);
  }

  [Symbol.dispose](): void {
    this.set(undefined);
  }

  async #tick(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      if (await this.#settings.refresh(this.#count + 1)) this.#count += 1;
    } catch (thrown) {
      this.#settings.onFailure(thrown);
    } finally {
      this.#running = false;
    }
  }
}
