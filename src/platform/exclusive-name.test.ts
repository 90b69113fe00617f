import { describe, expect, it } from 'vitest';
import { ExclusiveName } from './exclusive-name.ts';

describe('an exclusive name', () => {
  const name = `myelin-test-${process.pid}`;

  it('is held by one at a time', () => {
    const first = ExclusiveName.take(name);
    expect(first).toBeDefined();
    expect(ExclusiveName.take(name)).toBeUndefined();
    const other = ExclusiveName.take(`${name}-other`);
    expect(other).toBeDefined();
    other?.close();
    first?.close();
  });

  it('is free again once it is given back', () => {
    const first = ExclusiveName.take(name);
    first?.close();
    first?.close();
    const second = ExclusiveName.take(name);
    expect(second).toBeDefined();
    second?.close();
  });
});
