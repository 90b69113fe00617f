import { describe, expect, it } from 'vitest';
import { TRACE_VECTORS, TraceColumn, traceColumnCount, traceColumns, vectorColumn } from './trace-row.ts';

describe('the trace row', () => {
  it('names every column once, in the order of the indices', () => {
    const columns = traceColumns(7);
    expect(columns).toHaveLength(traceColumnCount(7));
    expect(new Set(columns).size).toBe(columns.length);
    expect(columns[TraceColumn.limitsHit]).toBe('limitsHit');
    for (const name of TRACE_VECTORS) expect(columns[vectorColumn(name, 7) + 3]).toBe(`${name}3`);
  });
});
