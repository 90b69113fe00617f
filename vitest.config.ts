import { defineConfig } from 'vitest/config';

const files = (...names: string[]): string[] => names.map((name) => `test/${name}.test.ts`);

/** Tests that judge times, of an arm or of a page: one at a time, with nothing beside them. */
const ALONE = files('arm-code', 'bus-faults', 'control', 'page', 'two-arms');

/** Whole systems, two of them side by side: what is promised must hold on a busy machine too. */
const SYSTEMS = [
  'test/faults/*.test.ts',
  ...files(
    'camera',
    'driver-world',
    'infer',
    'page-process',
    'policy',
    'python',
    'segment',
    'ten-lines',
    'up',
    'world',
  ),
];

/** A folder of tests that start real processes. Groups of a higher `order` wait for the lower ones to end. */
const processes = (
  name: string,
  include: string[],
  { testTimeout, maxWorkers = 1, order = 0, exclude = [] as string[] }: ProcessOptions,
) => ({
  test: {
    name,
    include,
    exclude,
    pool: 'forks' as const,
    maxWorkers,
    sequence: { groupOrder: order },
    testTimeout,
    hookTimeout: testTimeout,
  },
});

interface ProcessOptions {
  readonly testTimeout: number;
  readonly maxWorkers?: number;
  readonly order?: number;
  readonly exclude?: string[];
}

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'console/src/**/*.test.ts', 'tools/**/*.test.ts'],
          pool: 'threads',
          isolate: false,
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
          testTimeout: 20_000,
        },
      },
      processes('process', ['test/*.test.ts'], {
        testTimeout: 120_000,
        maxWorkers: 2,
        order: 1,
        exclude: [...ALONE, ...SYSTEMS],
      }),
      processes('alone', ALONE, { testTimeout: 120_000, order: 2 }),
      processes('systems', SYSTEMS, { testTimeout: 120_000, maxWorkers: 2, order: 3 }),
      processes('interop', ['test/interop/*.test.ts'], { testTimeout: 300_000, order: 4 }),
      // A million messages take half an hour on a machine of one's own, and may meet one that is busy.
      processes('soak', ['test/soak/*.test.ts'], { testTimeout: 4 * 3_600_000, order: 5 }),
    ],
  },
});
