import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sampleTelemetry } from './sample-telemetry.fixture.ts';
import {
  encodeMessage,
  PAGE_REQUESTS,
  parseClientMessage,
  serverMessageSchema,
  wireNumber,
} from './telemetry.ts';

describe('client messages', () => {
  it('accepts every request, with and without an id', () => {
    for (const request of PAGE_REQUESTS) {
      expect(parseClientMessage(JSON.stringify({ type: 'request', request })).ok).toBe(true);
      expect(parseClientMessage(JSON.stringify({ type: 'request', request, id: 7 }))).toEqual({
        ok: true,
        message: { type: 'request', request, id: 7 },
      });
    }
  });

  it.each([
    ['', 'not JSON'],
    ['{', 'not JSON'],
    ['null', 'not valid'],
    ['[]', 'not valid'],
    ['{"type":"request","request":"explode"}', 'request'],
    ['{"type":"request","request":"stop","extra":1}', 'not valid'],
    ['{"type":"request","request":"stop","id":1.5}', 'id'],
    ['{"type":"request","request":["stop"]}', 'request'],
    ['{"__proto__":{"type":"request","request":"stop"}}', 'not valid'],
  ])('refuses %j and says why', (data, why) => {
    const parsed = parseClientMessage(data);
    expect(parsed.ok).toBe(false);
    expect(!parsed.ok && parsed.error.text).toContain(why);
    expect(!parsed.ok && parsed.error.hint).toContain('"request"');
  });

  it('answers any text and any JSON without throwing, and takes only its own', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.string({ unit: 'binary' })), (data) => {
        const parsed = parseClientMessage(data);
        if (parsed.ok) expect(['request', 'operator', 'alive']).toContain(parsed.message.type);
        else expect(parsed.error.text.length).toBeLessThanOrEqual(300);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('server messages', () => {
  it('survive the wire unchanged', () => {
    const message = sampleTelemetry();
    expect(serverMessageSchema.parse(JSON.parse(encodeMessage(message)))).toEqual(message);
  });

  it('carry missing readings as null, never as a broken number', () => {
    expect([Number.NaN, Number.POSITIVE_INFINITY, 1.000004, -0.5].map(wireNumber)).toEqual([
      null,
      null,
      1,
      -0.5,
    ]);
  });

  it('are refused by the schema when a field has the wrong kind', () => {
    const broken = { ...sampleTelemetry(), cameras: 'none' };
    expect(serverMessageSchema.safeParse(broken).success).toBe(false);
  });
});
