import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { subtaskFault } from './validity.ts';

describe('the validity of a subtask', () => {
  it('lets plain instructions pass', () => {
    for (const text of [
      'pick up the black pen',
      'move to table and then pick up black pen',
      ' Öffne die Schublade.',
      '拿起红色方块',
      'push button 3, twice',
    ]) {
      expect(subtaskFault(text), text).toBeUndefined();
    }
  });

  it('says why a text is not acted on', () => {
    expect(subtaskFault('  \n')).toBe('it is empty');
    expect(subtaskFault('pick <loc0123> up')).toContain('<loc0123>');
    expect(subtaskFault('<unused43><unused43>')).toContain('<unused43>');
    expect(subtaskFault('go '.repeat(80).trim(), { maxRepeats: 100 })).toContain('longer than 160');
    expect(subtaskFault('pick up\u0007 the pen')).toContain('characters that no text has');
    expect(subtaskFault('pick \ufffd up')).toContain('characters that no text has');
    expect(subtaskFault('1 2 3')).toBe('it holds no word');
    expect(subtaskFault('ab ;;;; //// ....')).toBe('it is mostly signs');
    expect(subtaskFault('pick the the the the pen')).toBe('it repeats itself');
    expect(subtaskFault('the the the pen')).toBeUndefined();
  });

  it('judges any text without failing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const fault = subtaskFault(text);
        expect(fault === undefined || fault.length > 0).toBe(true);
      }),
    );
  });
});
