// A policy server whose policy waves the arm's first joint about its home pose, one chunk continuing another.
// Arguments: ports of LeRobot's protocol and of openpi's; the folder's file for what clients asked for.
import { armDescription } from '../../dist/arms/catalogue.js';
import { Engine } from '../../dist/serving/engine/engine.js';
import { startLeRobotServer } from '../../dist/serving/lerobot/server.js';
import { startOpenpiServer } from '../../dist/serving/openpi/openpi-server.js';

const [lerobotPort, openpiPort] = process.argv.slice(2).map(Number);
const { home, jointNames } = armDescription('X5');
const dof = home.length;
const rows = 40;
const stepPeriodS = 1 / 30;
const WAVE_RAD = 0.4;
const WAVE_S = 4;

const policy = {
  spec: {
    name: 'waving',
    cameras: [{ name: 'external' }],
    stateNames: jointNames,
    actionNames: jointNames,
    chunkRows: rows,
    actionSteps: rows,
    stepPeriodS,
    subtasks: false,
  },
  async infer({ timestep, timestampNs, cameras }) {
    if (!cameras.has('external')) throw new Error('no picture');
    const actions = new Float64Array(rows * dof);
    for (let row = 0; row < rows; row++) {
      actions.set(home, row * dof);
      const phase = (2 * Math.PI * (timestep + row) * stepPeriodS) / WAVE_S;
      actions[row * dof] += WAVE_RAD * Math.sin(phase);
    }
    return { actions, rows, dof, stepPeriodS, timestep, observedNs: timestampNs };
  },
  reset: () => undefined,
  close: async () => undefined,
};

const engine = new Engine({ policies: new Map([['waving', policy]]), ignoreNames: true });
const say = (text) => console.log(text);
await startLeRobotServer(engine, { port: lerobotPort, onEvent: say });
await startOpenpiServer(engine, { port: openpiPort, onEvent: say });
console.log('serving');
process.once('SIGTERM', () => process.exit(0));
