import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type BenchTable, percentile } from '../../core/bench-table.ts';
import { monotonicNs, sleepUntilNs } from '../../platform/clock.ts';
import { distEntry } from '../../platform/entry.ts';
import { STATUS_LAYOUT } from '../../segment/arm-layout.ts';
import { ArmSegment, createArmSnapshot } from '../../segment/arm-segment.ts';
import { ChunkReader, ChunkWriter, createReceivedChunk } from '../../segment/chunk-exchange.ts';

export interface SegmentBenchOptions {
  /** State reads beside a live writer, each checked for being whole. Default 2 million; 10^8 takes half a minute. */
  readonly reads?: number;
  /** Chunks sent to another process. Default 2000, one a millisecond. */
  readonly chunks?: number;
}

const BATCH = 100;
const BATCHES = 2000;
const PYTHON_SHARE = 100;

/** Nanoseconds an operation takes: each value is the mean of a batch, because one alone is shorter than reading the clock. */
function time(operation: () => void): Float64Array {
  const batches = new Float64Array(BATCHES);
  for (let warmUp = 0; warmUp < BATCH * 100; warmUp++) operation();
  for (let batch = 0; batch < BATCHES; batch++) {
    const startNs = monotonicNs();
    for (let i = 0; i < BATCH; i++) operation();
    batches[batch] = (monotonicNs() - startNs) / BATCH;
  }
  return batches.sort();
}

const percentiles = (sorted: Float64Array): number[] =>
  [0.5, 0.99, 0.999].map((share) => percentile(sorted, share)).concat(sorted.at(-1) ?? Number.NaN);

const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Measures the arm segment: how long reads and writes take, how soon a chunk is seen, and that no read is torn. */
export async function benchSegment(options: SegmentBenchOptions = {}): Promise<BenchTable[]> {
  const { reads = 2_000_000, chunks = 2000 } = options;
  const segment = ArmSegment.create(`myelin_bench_${process.pid}`, {
    dof: 7,
    model: 'X5',
    interfaceName: 'none',
  });
  try {
    return [operations(segment), await latency(segment, chunks), await tornReads(segment, reads)];
  } finally {
    segment.unlink();
    segment.close();
  }
}

function operations(segment: ArmSegment): BenchTable {
  const { fields } = segment;
  const snapshot = createArmSnapshot();
  const received = createReceivedChunk();
  const writer = new ChunkWriter(segment);
  const reader = new ChunkReader(segment);
  const chunk = {
    actions: new Float64Array(50 * 7),
    rows: 50,
    dof: 7,
    stepPeriodS: 0.02,
    timestep: 0,
    observedNs: 0,
  };
  let tick = 0;
  const rows: [string, () => void][] = [
    [
      'write a state (12 vectors of 16)',
      () => {
        tick++;
        segment.beginState();
        fields.tick = tick;
        fields.position.fill(tick);
        fields.velocity.fill(tick);
        fields.torque.fill(tick);
        fields.commandedPosition.fill(tick);
        fields.commandedVelocity.fill(tick);
        fields.commandedAcceleration.fill(tick);
        fields.targetPosition.fill(tick);
        fields.motorTemperatureC.fill(tick);
        fields.driverTemperatureC.fill(tick);
        fields.feedbackAgeNs.fill(tick);
        fields.motorStatus.fill(tick);
        fields.motorFault.fill(tick);
        segment.endState();
      },
    ],
    ['read a state', () => segment.readState(snapshot)],
    [
      'publish and take a chunk of 50 x 7',
      () => {
        chunk.timestep++;
        writer.publish(chunk, chunk.timestep);
        reader.poll(received);
      },
    ],
    ['look for a chunk, none new', () => reader.poll(received)],
    [
      'set a request and take it',
      () => {
        segment.request(2);
        segment.takeRequests();
      },
    ],
  ];
  return {
    title: 'Segment operations',
    command: 'myelin bench segment',
    columns: ['operation', 'mean ns', 'p50 ns', 'p99 ns', 'p99.9 ns', 'max ns'],
    rows: rows.map(([name, operation]) => {
      const sorted = time(operation);
      return [name, mean(sorted), ...percentiles(sorted)];
    }),
    notes: [
      `One process, nobody else at work on the segment. Percentiles are of ${BATCHES} batches of ${BATCH} operations.`,
    ],
  };
}

const peer = (...args: string[]): ChildProcess =>
  spawn(process.execPath, [distEntry('cli/bench/segment-peer.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });

async function latency(segment: ArmSegment, count: number): Promise<BenchTable> {
  const receiver = peer('receive', segment.memory.name, String(count));
  let output = '';
  receiver.stdout?.setEncoding('utf8').on('data', (part: string) => {
    output += part;
  });
  const ended = once(receiver, 'close');
  try {
    while (!output.includes('ready')) await new Promise((done) => setTimeout(done, 5));
    const writer = new ChunkWriter(segment);
    const chunk = {
      actions: new Float64Array(50 * 7),
      rows: 50,
      dof: 7,
      stepPeriodS: 0.02,
      timestep: 0,
      observedNs: 0,
    };
    // Publishes until the receiver has enough: one that was not running just then missed some.
    while (receiver.exitCode === null && receiver.signalCode === null) {
      for (let i = 0; i < 100; i++) {
        writer.publish(chunk, monotonicNs());
        sleepUntilNs(monotonicNs() + 1e6);
      }
      await new Promise((done) => setImmediate(done));
    }
    await ended;
  } finally {
    receiver.kill('SIGKILL');
  }
  const delays = Float64Array.from(JSON.parse(output.split('\n')[1] ?? '[]') as number[]).sort();
  return {
    title: 'Chunk from process to process',
    command: 'myelin bench segment',
    columns: ['what', 'chunks', 'mean us', 'p50 us', 'p99 us', 'p99.9 us', 'max us'],
    rows: [
      [
        'from before publish to taken over by a process that looks all the time',
        delays.length,
        mean(delays) / 1e3,
        ...percentiles(delays).map((ns) => ns / 1e3),
      ],
    ],
    notes: [
      'A chunk of 50 x 7 each millisecond. A control loop looks once a tick, which adds up to one period.',
    ],
  };
}

// Reads the same state with mmap and struct alone: under the sequence lock, and then without it.
const PYTHON_READER = `
import mmap, os, struct, sys, time
shm = mmap.mmap(os.open("/dev/shm/" + sys.argv[1], os.O_RDONLY), 0, prot=mmap.PROT_READ)
count, lock, start, end = map(int, sys.argv[2:])
begun = time.monotonic_ns(); whole = torn = 0
while whole < count:
    before, = struct.unpack_from("<I", shm, lock)
    page = shm[start:end]
    if before % 2 or struct.unpack_from("<I", shm, lock)[0] != before: continue
    values = struct.unpack_from("<32d", page, 0); whole += 1
    torn += len(set(values)) != 1
locked = (time.monotonic_ns() - begun) / count
begun = time.monotonic_ns(); bare = 0
for _ in range(count): bare += len(set(struct.unpack_from("<32d", shm, start))) != 1
print(whole, torn, locked, bare, (time.monotonic_ns() - begun) / count)
`;

async function tornReads(segment: ArmSegment, reads: number): Promise<BenchTable> {
  const writer = peer('write', segment.memory.name);
  const rows: (string | number)[][] = [];
  const notes = [
    'The writer publishes a state, waits half a microsecond, and publishes the next; a real one does so every 2 ms.',
    'A read that finds the writer at work tries again, so these times hold waiting; "refused" gave up after 100 tries.',
  ];
  const snapshot = createArmSnapshot();
  const { position, velocity, torque, commandedPosition, feedbackAgeNs, jointPositions } = snapshot;
  try {
    const before = segment.fields.tick;
    while (segment.fields.tick === before) await new Promise((done) => setTimeout(done, 5));
    let whole = 0;
    let torn = 0;
    let refused = 0;
    let states = 0;
    let last = 0;
    const startNs = monotonicNs();
    while (whole < reads) {
      if (!segment.readState(snapshot)) {
        refused++;
        continue;
      }
      whole++;
      const { tick } = snapshot;
      if (tick !== last) states++;
      last = tick;
      const same =
        jointPositions[0] === tick &&
        jointPositions[6] === tick &&
        position[0] === tick &&
        position[15] === tick &&
        velocity[7] === tick &&
        torque[15] === tick &&
        commandedPosition[15] === tick &&
        feedbackAgeNs[0] === tick &&
        feedbackAgeNs[15] === tick;
      if (!same) torn++;
    }
    rows.push(['Myelin', whole, torn, refused, (monotonicNs() - startNs) / whole]);
    notes.push(`Myelin's reader saw ${states} different states.`);

    const count = Math.max(1000, Math.round(reads / PYTHON_SHARE));
    const { position: first } = STATUS_LAYOUT;
    const python = spawnSync(
      'python3',
      [
        '-c',
        PYTHON_READER,
        segment.memory.name,
        ...[count, STATUS_LAYOUT.stateSequence.offset, first.offset, first.offset + 256].map(String),
      ],
      { encoding: 'utf8', timeout: 300_000 },
    );
    if (python.status === 0) {
      const [wholePython = 0, tornPython = 0, lockedNs = 0, bareTorn = 0, bareNs = 0] = python.stdout
        .split(' ')
        .map(Number);
      rows.push(['Python mmap + struct, sequence lock', wholePython, tornPython, 0, lockedNs]);
      rows.push(['Python mmap + struct, no lock', wholePython, bareTorn, 0, bareNs]);
    } else {
      notes.push(`The Python reader did not run: ${python.error?.message ?? python.stderr.trim()}`);
    }
  } finally {
    writer.kill('SIGKILL');
    await once(writer, 'exit');
  }
  return {
    title: 'Segment reads beside a live writer',
    command: `myelin bench segment --reads ${reads}`,
    columns: ['reader', 'whole reads', 'torn', 'refused', 'mean ns'],
    rows,
    notes,
  };
}
