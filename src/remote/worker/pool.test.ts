import { expect, it } from 'vitest';
import { ExecutorKinds } from '../executors/kinds.ts';
import type { ProjectStore, ProjectVersion } from '../projects/project-store.ts';
import { Pool } from './pool.ts';

const version: ProjectVersion = {
  id: 'a'.repeat(64),
  project: 'late',
  language: 'python',
  createdUnixS: 0,
  bytes: 0,
  files: [],
  manifest: { stateless: false, network: false, arm: true, memoryMiB: 64 },
  folder: '/nonexistent',
  environment: '/nonexistent',
};

/** A pool whose store is asked for the version in use and has not answered yet. */
function waitingPool() {
  let answer: (found: ProjectVersion) => void = () => undefined;
  const asked = new Promise<ProjectVersion>((done) => {
    answer = done;
  });
  const started: string[] = [];
  const pool = new Pool({
    store: {
      current: () => asked,
      dataFolder: async (project: string) => {
        started.push(project);
        return '/nonexistent';
      },
    } as unknown as ProjectStore,
    kinds: new ExecutorKinds('/nonexistent'),
    sandbox: {
      layers: [],
      confine: () => {
        throw new Error('a process was started');
      },
    } as unknown as ConstructorParameters<typeof Pool>[0]['sandbox'],
    count: 1,
    maxExecutionMs: 1000,
    loadTimeoutMs: 1000,
    prepare: async () => undefined,
    onPush: () => undefined,
    onLog: () => undefined,
    endTenure: () => false,
    onStarted: () => undefined,
    onEnded: () => undefined,
  });
  return { pool, started, answer: () => answer(version) };
}

it.each([
  ['call', (pool: Pool) => pool.call({ method: 'echo', args: {} })],
  ['start', (pool: Pool) => pool.start()],
])('a %s that still looks for its version while the pool closes starts nothing', async (_what, ask) => {
  const { pool, started, answer } = waitingPool();
  const asked = ask(pool);
  const refused = expect(asked).rejects.toMatchObject({ code: 'WORKER_UNAVAILABLE' });
  await pool.close();
  answer();
  await refused;
  expect(started).toEqual([]);
  expect(pool.status()).toEqual([]);
});
