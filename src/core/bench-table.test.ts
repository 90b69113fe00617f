import { describe, expect, it } from 'vitest';
import { percentile, toMarkdown } from './bench-table.ts';

describe('benchmark tables', () => {
  it('takes percentiles of sorted values', () => {
    const values = Array.from({ length: 1000 }, (_, i) => i);
    expect([percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1)]).toEqual([
      500, 990, 999,
    ]);
    expect(percentile([], 0.5)).toBeNaN();
  });

  it('become Markdown with aligned columns, the command and the notes', () => {
    const text = toMarkdown({
      title: 'Read',
      command: 'myelin bench segment',
      columns: ['what', 'p50 (ns)'],
      rows: [
        ['state', 71.25678],
        ['a longer name', 12],
        ['thousands', 3569.9],
      ],
      notes: ['Nothing else ran.'],
    });
    expect(text).toBe(
      [
        '## Read',
        '',
        '`myelin bench segment`',
        '',
        '| what          | p50 (ns) |',
        '|---------------|----------|',
        '| state         | 71.26    |',
        '| a longer name | 12       |',
        '| thousands     | 3570     |',
        '',
        '- Nothing else ran.',
        '',
      ].join('\n'),
    );
  });
});
