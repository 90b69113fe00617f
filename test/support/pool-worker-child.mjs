// A worker of the pool with a policy that echoes: row 0 is the state, row 1 is [tag, calls so far].
// Argument: JSON with url, tag, delayMs, and any option of startPoolWorker.
import { setTimeout as pause } from 'node:timers/promises';
import { Engine } from '../../dist/serving/engine/engine.js';
import { startPoolWorker } from '../../dist/serving/pool/pool-worker.js';

const {
  tag = 0,
  delayMs = 0,
  failures = 0,
  models = ['echo'],
  ...options
} = JSON.parse(process.argv[2] ?? '{}');
let calls = 0;
const policy = {
  spec: {
    name: 'echo',
    cameras: [],
    stateNames: ['a', 'b'],
    actionNames: ['a', 'b'],
    chunkRows: 2,
    actionSteps: 2,
    stepPeriodS: 0.1,
    subtasks: false,
  },
  async infer({ state, timestep, timestampNs, cameras }, { signal } = {}) {
    calls += 1;
    if (delayMs > 0) await pause(delayMs, undefined, { signal });
    if (calls <= failures) throw new Error('the model broke');
    const sum = [...cameras.values()].reduce((total, { rgb }) => total + rgb.reduce((a, b) => a + b, 0), 0);
    const actions = Float64Array.of(state[0], state[1], tag, cameras.size > 0 ? sum : calls);
    return { actions, rows: 2, dof: 2, stepPeriodS: 0.1, timestep, observedNs: timestampNs };
  },
  reset: () => undefined,
  close: async () => undefined,
};

const engine = new Engine({ policies: new Map(models.map((name) => [name, policy])) });
const worker = await startPoolWorker(engine, {
  models: new Map(models.map((name) => [name, name])),
  ...options,
  onEvent: (text) => console.log(text),
});
console.log(`serving as ${worker.id}`);
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await worker.close();
    await engine.close();
    console.log(
      `left with ${worker.sessions} robots, ${worker.malformed} malformed messages, ${calls} calls`,
    );
  });
}
