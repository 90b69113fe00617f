import type { EventLevel, PageEvent } from './telemetry.ts';

/** Events kept for pages that connect later; the oldest go first. */
export const EVENTS_KEPT = 200;

export type EventListener = (event: PageEvent) => void;

/** What happened, newest last. Bounded; every listener hears every event once. */
export class EventLog {
  readonly #events: PageEvent[] = [];
  readonly #listeners = new Set<EventListener>();
  readonly #unixS: () => number;
  #sequence = 0;

  /** @param unixS time of day, seconds since 1970 */
  constructor(unixS: () => number) {
    this.#unixS = unixS;
  }

  get recent(): readonly PageEvent[] {
    return this.#events;
  }

  /** @param unixS when it happened; now, when left out */
  add(source: string, level: EventLevel, text: string, unixS = this.#unixS()): void {
    this.#sequence += 1;
    const event: PageEvent = {
      type: 'event',
      sequence: this.#sequence,
      unixS,
      level,
      source: source.slice(0, 64),
      text: text.slice(0, 1000),
    };
    this.#events.push(event);
    if (this.#events.length > EVENTS_KEPT) this.#events.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
