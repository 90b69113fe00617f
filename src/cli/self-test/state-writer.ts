import { ArmSegment } from '../../segment/arm-segment.ts';

// A process that publishes states as fast as it can until it is killed: every number of a state is the same, so a
// reader that sees two different ones has read half of one and half of another.
const segment = ArmSegment.open(process.argv[2] ?? '');
const { fields } = segment;
for (let value = 1; ; value++) {
  segment.beginState();
  fields.tick = value;
  fields.position.fill(value);
  fields.commandedPosition.fill(value);
  segment.endState();
}
