import { describe, expect, it } from 'vitest';
import { armDescription } from '../arms/catalogue.ts';
import { ChunkRefusal, EventCode, FaultKind } from './event-codes.ts';
import { eventText } from './event-text.ts';
import { HoldReason } from './limit-bits.ts';

const description = armDescription('X5');
const text = (code: number, detail = 0, a = 0, b = 0) =>
  eventText({ timeNs: 0, code, detail, a, b }, description).text;

describe('the words for an event', () => {
  it.each([
    [text(EventCode.STATE, 1, 0), 'IDLE -> RUNNING'],
    [text(EventCode.REQUEST_REFUSED, 1, 4), 'START refused in EMERGENCY_STOP'],
    [text(EventCode.ERROR_RAISED, 1 + 16), 'Error TIMEOUT, WATCHDOG'],
    [
      text(EventCode.FAULT, FaultKind.TRACKING, 2, 0.51234),
      'Fault: a joint does not follow its command (joint3, 0.5123)',
    ],
    [text(EventCode.WARM, 0, 6, 61), 'The motor of gripper is warm: 61 degC'],
    [text(EventCode.COMMANDER, 77), 'Process 77 commands the arm'],
  ])('%s', (words, expected) => {
    expect(words).toBe(expected);
  });

  it('is known for every code, reason, refusal and fault', () => {
    for (const code of Object.values(EventCode)) expect(text(code)).not.toMatch(/^Event /);
    for (const reason of Object.values(HoldReason))
      expect(text(EventCode.HOLD, reason)).not.toMatch(/reason \d/);
    for (const reason of Object.values(ChunkRefusal)) {
      expect(text(EventCode.CHUNK_REFUSED, reason)).not.toMatch(/reason \d/);
    }
    for (const kind of Object.values(FaultKind)) {
      if (kind !== FaultKind.NONE) expect(text(EventCode.FAULT, kind)).not.toMatch(/kind \d/);
    }
  });

  it('is not lost for a code of a newer loop', () => {
    expect(text(999, 1, 2, 3)).toBe('Event 999 (1, 2, 3)');
  });
});
