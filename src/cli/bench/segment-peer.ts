import { monotonicNs } from '../../platform/clock.ts';
import { ArmSegment } from '../../segment/arm-segment.ts';
import { ChunkReader, createReceivedChunk } from '../../segment/chunk-exchange.ts';

/** The second process of `myelin bench segment`: node segment-peer.js write|receive SEGMENT [COUNT] */
const [role, name = '', count = '0'] = process.argv.slice(2);
const segment = ArmSegment.open(name);

/** Publishes states without end, with a pause of about a write's length in between; every number is the tick's. */
function write(): never {
  const { fields } = segment;
  for (let tick = 1; ; tick++) {
    segment.beginState();
    fields.tick = tick;
    fields.jointPositions.fill(tick);
    fields.position.fill(tick);
    fields.velocity.fill(tick);
    fields.torque.fill(tick);
    fields.commandedPosition.fill(tick);
    fields.feedbackAgeNs.fill(tick);
    segment.endState();
    const end = monotonicNs() + 500;
    while (monotonicNs() < end);
  }
}

/** Spins until `count` chunks have come; prints how long after its start time each was there, ns, as JSON. */
function receive(): void {
  const reader = new ChunkReader(segment);
  const chunk = createReceivedChunk();
  const delaysNs: number[] = [];
  process.stdout.write('ready\n');
  while (delaysNs.length < Number(count)) {
    if (reader.poll(chunk)) delaysNs.push(monotonicNs() - chunk.startNs);
  }
  process.stdout.write(`${JSON.stringify(delaysNs)}\n`);
}

if (role === 'write') write();
else receive();
