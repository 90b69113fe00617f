// One side of the segment tests, as a process of its own: node segment-child.mjs MODE NAME
import { monotonicNs, sleepUntilNs, unixS } from '../../dist/platform/clock.js';
import { ArmSegment } from '../../dist/segment/arm-segment.js';
import { CameraWriter } from '../../dist/segment/camera-ring.js';
import { ChunkWriter } from '../../dist/segment/chunk-exchange.js';
import { Lease } from '../../dist/segment/lease.js';

const [mode, name] = process.argv.slice(2);
const options = { dof: 7, model: 'X5', interfaceName: 'none' };
const say = (text) => process.stdout.write(`${text}\n`);

/** Lets output and signals through now and then; what is tested runs in between without a pause. */
const forever = async (work) => {
  for (;;) {
    for (let i = 0; i < 2000; i++) work();
    await new Promise(setImmediate);
  }
};

/** Spins: long enough for a reader now and then to get a word in, as any real writer does. */
const breathe = (ns) => {
  const end = monotonicNs() + ns;
  while (monotonicNs() < end);
};

const writeState = (segment) => {
  const { fields } = segment;
  const arrays = Object.values(fields).filter((value) => value instanceof Float64Array && value.length <= 16);
  let tick = 0;
  return () => {
    tick++;
    segment.beginState();
    for (const array of arrays) array.fill(tick);
    fields.tick = tick;
    fields.controlTimestampS = tick;
    segment.endState();
    breathe((tick % 8) * 500);
  };
};

const modes = {
  /** Owns the segment and writes states as fast as it can, every number the tick's. */
  async state() {
    const segment = ArmSegment.create(name, options);
    say('ready');
    await forever(writeState(segment));
  },
  /** Owns the segment and stands still in the middle of a write. */
  async half() {
    const segment = ArmSegment.create(name, options);
    segment.beginState();
    segment.fields.position.fill(9);
    say('ready');
    await forever(() => sleepUntilNs(monotonicNs() + 1e6));
  },
  /** Tries to own the segment; says how that went; keeps it. */
  async create() {
    try {
      ArmSegment.create(name, options);
      say('created');
      await forever(() => sleepUntilNs(monotonicNs() + 1e6));
    } catch (error) {
      say(`refused ${error.code}: ${error.message} (${error.hint})`);
    }
  },
  /** Commands somebody's segment with chunks as fast as it can, every number the chunk's sequence. */
  async chunks() {
    const segment = ArmSegment.open(name);
    const lease = Lease.acquire(segment, 'chunks', monotonicNs());
    const writer = new ChunkWriter(segment);
    const chunk = {
      actions: new Float64Array(50 * 7),
      rows: 50,
      dof: 7,
      stepPeriodS: 0.02,
      timestep: 0,
      observedNs: 0,
    };
    let next = segment.fields.chunkSequence + 1;
    say('ready');
    await forever(() => {
      chunk.actions.fill(next);
      chunk.timestep = next;
      next = writer.publish(chunk, next) + 1;
      breathe((next % 8) * 1000);
      lease.heartbeat(monotonicNs(), unixS());
    });
  },
  /** Owns a camera ring and publishes pictures as fast as it can, every byte the same. */
  async camera() {
    const writer = CameraWriter.create(name, { width: 64, height: 48, frequencyHz: 30 });
    let value = 0;
    say('ready');
    process.once('SIGTERM', () => {
      writer.close();
      process.exit(0);
    });
    await forever(() => {
      value++;
      writer.frame.fill(value);
      writer.publish(value, value);
      breathe((value % 8) * 5000);
    });
  },
};

await modes[mode]();
