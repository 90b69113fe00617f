import { type BenchTable, percentile } from '../../core/bench-table.ts';
import { monotonicNs } from '../../platform/clock.ts';
import { LockstepBus } from '../../world/lockstep-bus.ts';
import { Renderer } from '../../world/render/renderer.ts';
import { World } from '../../world/world.ts';

export interface WorldBenchOptions {
  /** Repeats of what takes long (a picture); quick things are repeated more often. Default 200. */
  readonly repeats?: number;
}

const SIZES = [
  [96, 96],
  [160, 120],
  [224, 224],
  [320, 240],
  [640, 480],
] as const;

const COLUMNS = ['what', 'mean us', 'p50 us', 'p95 us', 'p99 us', 'max us', 'share of a core'];

/** Physics step, a control cycle on the simulated bus, and a picture at each size. */
export async function benchWorld(options: WorldBenchOptions = {}): Promise<BenchTable[]> {
  const { repeats = 200 } = options;
  return [await worldTable(repeats), await cameraTable(repeats)];
}

/** Times `run` in us, `repeats` times after as many to warm up a tenth of it. */
function measure(repeats: number, run: () => void): Float64Array {
  for (let i = 0; i < repeats / 10; i += 1) run();
  const times = new Float64Array(repeats);
  for (let i = 0; i < repeats; i += 1) {
    const startNs = monotonicNs();
    run();
    times[i] = (monotonicNs() - startNs) / 1000;
  }
  return times.sort();
}

function row(what: string, sortedUs: Float64Array, perSecond: number): (string | number)[] {
  const mean = sortedUs.reduce((sum, value) => sum + value, 0) / sortedUs.length;
  const round = (value: number) => Number(value.toPrecision(3));
  return [
    what,
    round(mean),
    ...[0.5, 0.95, 0.99].map((share) => round(percentile(sortedUs, share))),
    round(sortedUs.at(-1) ?? 0),
    `${((mean * perSecond) / 1e4).toFixed(1)} % at ${perSecond} Hz`,
  ];
}

async function worldTable(repeats: number): Promise<BenchTable> {
  const world = await World.create();
  const bus = new LockstepBus(world);
  const limp = new Uint8Array([0x80, 0, 0x80, 0, 0, 0, 0x07, 0xff]);
  const frame = { id: 0, length: 0, data: new Uint8Array(8) };
  try {
    const step = measure(20 * repeats, () => world.physics.step());
    const cycle = measure(10 * repeats, () => {
      for (const motor of world.motors) bus.send(motor.canId, limp, 8);
      world.step(0.002);
      while (bus.receive(frame));
    });
    const state = measure(repeats, () => void world.state());
    return {
      title: 'The simulated world',
      command: 'myelin bench world',
      columns: COLUMNS,
      rows: [
        row('physics step of 1 ms, cubes at rest', step, 1000),
        row('2 ms of world: 7 commands, 7 replies, 2 steps', cycle, 500),
        row('whole state for a command', state, 1),
      ],
      notes: [
        `One control cycle at 500 Hz simulates ${Math.round(2000 / percentile(cycle, 0.5))} times faster than real time in lock-step.`,
        'Without the cost of waking up 1000 times a second, which a running world pays on top.',
      ],
    };
  } finally {
    world.close();
  }
}

async function cameraTable(repeats: number): Promise<BenchTable> {
  const world = await World.create();
  const renderer = await Renderer.create('X5');
  world.physics.setArm([-0.3, 1.6, 1.1, -1.0, 0, 0, 0.08]);
  const qpos = world.physics.qpos.slice();
  const rows: (string | number)[][] = [];
  try {
    for (const name of renderer.cameraNames) {
      for (const [width, height] of SIZES) {
        const view = renderer.view(name, width, height);
        if (view === undefined) continue;
        const rgb = new Uint8Array(width * height * 3);
        const times = measure(Math.max(20, Math.round((repeats * 9216) / (width * height))), () => {
          renderer.setPositions(qpos);
          renderer.render(view, rgb);
        });
        rows.push(row(`${name} ${width}x${height}`, times, 30));
      }
    }
  } finally {
    renderer.close();
    world.close();
  }
  return {
    title: 'The simulated cameras',
    command: 'myelin bench world',
    columns: COLUMNS,
    rows,
    notes: ['One picture with its shadows, drawn on the CPU; two cameras of one process share the shadows.'],
  };
}
