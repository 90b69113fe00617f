import { z } from 'zod';
import { EVENT_LEVELS, type EventLevel, type PageRequest } from './telemetry.ts';

/** What a supervisor tells the page's server over the channel between parent and child. */
export const parentMessageSchema = z.object({
  kind: z.literal('event'),
  /** Name of the process it is about. */
  process: z.string(),
  text: z.string(),
  level: z.enum(EVENT_LEVELS).optional(),
});

/** What the page's server tells its supervisor. */
export type ChildMessage =
  | { readonly kind: 'ready'; readonly url: string }
  /** A token was made at this first start: for a person's eyes, once. */
  | { readonly kind: 'first-token'; readonly url: string }
  | { readonly kind: 'control'; readonly request: PageRequest };

/** How grave a sentence from a supervisor is, when it does not say so itself. */
export const guessLevel = (text: string): EventLevel =>
  /killed|code [1-9]|could not|fault|crash/i.test(text)
    ? 'alarm'
    : /stopp|restart|again|anew/i.test(text)
      ? 'warning'
      : 'info';

export function tellParent(message: ChildMessage): void {
  if (process.connected) process.send?.(message, () => undefined);
}

/** Resolves on SIGTERM, SIGINT, SIGHUP, or when the parent is gone. */
export const untilAskedToEnd = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => resolve());
    process.once('disconnect', () => resolve());
  });
