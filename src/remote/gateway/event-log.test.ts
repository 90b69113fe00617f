import { describe, expect, it } from 'vitest';
import { EVENTS_KEPT, EventLog } from './event-log.ts';

describe('the event log', () => {
  it('numbers and dates events, and tells every listener once', () => {
    const log = new EventLog(() => 12);
    const heard: string[] = [];
    const end = log.subscribe((event) => heard.push(`${event.sequence} ${event.source} ${event.text}`));
    log.add('infer', 'alarm', 'was killed');
    end();
    log.add('infer', 'good', 'is back');
    expect(heard).toEqual(['1 infer was killed']);
    expect(log.recent.map((event) => [event.sequence, event.unixS, event.level])).toEqual([
      [1, 12, 'alarm'],
      [2, 12, 'good'],
    ]);
  });

  it('stays bounded, the oldest going first', () => {
    const log = new EventLog(() => 0);
    for (let index = 0; index < EVENTS_KEPT + 50; index++) log.add('a', 'info', `${index}`);
    expect(log.recent.length).toBe(EVENTS_KEPT);
    expect(log.recent[0]?.text).toBe('50');
  });
});
