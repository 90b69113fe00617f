import type { PageEvent } from '../../../src/remote/gateway/telemetry.ts';
import { events } from '../state/store.ts';
import { Panel } from './Panel.tsx';

const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });

const EventRow = ({ event }: { readonly event: PageEvent }) => (
  <li class={`event event-${event.level}`}>
    <time dateTime={new Date(event.unixS * 1000).toISOString()}>{clock.format(event.unixS * 1000)}</time>
    <span class="event-source">{event.source}</span>
    <span class="event-text">{event.text}</span>
  </li>
);

/** What happened, newest first. */
export const EventsPanel = () => (
  <Panel name="events" title="What happened">
    {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls on its own, so the keyboard must reach it */}
    <div class="events" role="log" aria-live="polite" aria-label="Events, newest first" tabIndex={0}>
      <ol>
        {events.value.toReversed().map((event) => (
          <EventRow key={event.sequence} event={event} />
        ))}
      </ol>
    </div>
    {events.value.length === 0 && <p class="empty">Nothing yet.</p>}
  </Panel>
);
