import { defineConfig } from 'vitest/config';

/** `unit` shares threads and is fast; the others start real processes, one file at a time. */
const processes = (name: string, include: string[], testTimeout: number) => ({
  test: {
    name,
    include,
    pool: 'forks' as const,
    fileParallelism: false,
    testTimeout,
    hookTimeout: testTimeout,
  },
});

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'console/src/**/*.test.ts', 'tools/**/*.test.ts'],
          pool: 'threads',
          isolate: false,
          testTimeout: 20_000,
        },
      },
      processes('process', ['test/*.test.ts'], 60_000),
      processes('interop', ['test/interop/*.test.ts'], 300_000),
      processes('soak', ['test/soak/*.test.ts'], 3_600_000),
    ],
  },
});
