import { describe, expect, it } from 'vitest';
import { scalarColumn, TRACE_VECTORS, traceColumnCount, traceColumns, vectorColumn } from './trace-row.ts';

describe('the trace row', () => {
  it('names every column once, in the order of the indices', () => {
    const columns = traceColumns(7);
    expect(columns).toHaveLength(traceColumnCount(7));
    expect(new Set(columns).size).toBe(columns.length);
    expect(columns[scalarColumn('limitsHit')]).toBe('limitsHit');
    for (const name of TRACE_VECTORS) expect(columns[vectorColumn(name, 7) + 3]).toBe(`${name}3`);
  });
});
