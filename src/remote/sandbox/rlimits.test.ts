import { describe, expect, it } from 'vitest';
import { hardLimit, prlimitArguments } from './rlimits.ts';

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max core file size        0                    unlimited            bytes
Max data size             unlimited            unlimited            bytes
Max open files            1024                 2048                 files
Max file size             unlimited            unlimited            bytes
`;

describe('rlimits', () => {
  it('are never asked to be higher than what this process may have', () => {
    expect(prlimitArguments({ dataMiB: 1 }, LIMITS)).toEqual([
      '--core=0:0',
      '--nofile=2048:2048',
      '--fsize=2147483648:2147483648',
      '--data=1048576:1048576',
    ]);
  });

  it('read a row that says unlimited, and one that is missing, as no limit', () => {
    expect(hardLimit(LIMITS, 'Max core file size')).toBe(Number.POSITIVE_INFINITY);
    expect(hardLimit(LIMITS, 'Max nothing')).toBe(Number.POSITIVE_INFINITY);
  });
});
