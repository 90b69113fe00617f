import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlState, Request } from '../src/core/control-state.ts';
import { monotonicNs, unixS } from '../src/platform/clock.ts';
import { ArmSegment } from '../src/segment/arm-segment.ts';
import { ChunkReader, createReceivedChunk, LegacyChunkReader } from '../src/segment/chunk-exchange.ts';
import { type Started, start, uniqueName } from './support/processes.ts';

const python = spawnSync('python3', ['-c', '']).status === 0;
if (!python) console.log('skipped: the Python tests need python3, which this machine does not have');
const POSE = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.02];

describe.skipIf(!python)('Python scripts', () => {
  let segment: ArmSegment;
  let name = '';
  beforeEach(() => {
    name = uniqueName('myelin_test_python');
    segment = ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'none' });
    segment.fields.defaultStepPeriodS = 1 / 30;
    segment.fields.watchdogTimeoutS = 1;
    segment.fields.jointPositions.set(POSE);
    segment.fields.position.set(POSE);
  });
  afterEach(() => {
    segment.unlink();
    segment.close();
  });

  /** The control process's side of the segment until the script ends: what it would have been asked to do. */
  const control = async (script: Started) => {
    const legacy = new LegacyChunkReader(segment);
    const reader = new ChunkReader(segment);
    const out = createReceivedChunk();
    const chunks: { rows: number; first: number[]; last: number[]; source: number; leadNs: number }[] = [];
    let requests = 0;
    let ended = false;
    void script.exited.then(() => {
      ended = true;
    });
    while (!ended) {
      const nowNs = monotonicNs();
      requests |= segment.takeRequests();
      segment.beginState();
      segment.fields.controlState =
        (requests & Request.START) !== 0 ? ControlState.RUNNING : ControlState.IDLE;
      segment.fields.controlTimestampS = unixS();
      segment.fields.tickNs = nowNs;
      segment.fields.tick++;
      segment.endState();
      if (reader.poll(out) || legacy.poll(nowNs, out)) {
        const { rows, dof, source, startNs } = out;
        chunks.push({
          rows,
          first: [...out.actions.slice(0, dof)],
          last: [...out.actions.slice((rows - 1) * dof, rows * dof)],
          source,
          // It may have been published after the tick began.
          leadNs: startNs - monotonicNs(),
        });
      }
      await new Promise((done) => setTimeout(done, 2));
    }
    return { chunks, requests: requests | segment.takeRequests() };
  };

  it('that know only the first page read the state and move the arm in ten lines', async () => {
    const script = start(['python3', 'examples/ten_lines.py', name]);
    const { chunks, requests } = await control(script);
    expect(await script.exited).toBe(0);
    expect(script.output()).toBe('state 0 pose 0.1 0.2 0.3 0.4 0.5 0.6 0.02\n');
    expect(requests).toBe(Request.START | Request.PAUSE);
    // The script does not wait for us, so a busy machine may see fewer of its 90 chunks.
    expect(chunks.length).toBeGreaterThan(5);
    for (const { rows, first, last, source } of chunks) {
      expect([rows, source]).toEqual([36, 0]);
      for (const row of [first, last]) {
        expect(row.slice(1)).toEqual(POSE.slice(1));
        expect(Math.abs(row[0]! - 0.2)).toBeLessThanOrEqual(0.1 + 1e-9);
      }
    }
    expect(Math.max(...chunks.map(({ first }) => first[0]!))).toBeGreaterThan(0.25);
  });

  it('with the module read whole states, hold the lease and send whole chunks', async () => {
    const program = `
import sys
from myelin import Arm, LeaseHeld
with Arm(sys.argv[1]) as arm:
    state = arm.read()
    print(state.state, state.position)
    arm.take_lease("python")
    arm.start()
    for step in range(20):
        arm.send([[step + row / 100] * 7 for row in range(50)], step_period_s=0.02, start_in_s=0.5, timestep=step)
        import time; time.sleep(0.02)
    arm.stop()
print("done")
`;
    const script = start(['python3', '-c', program, name], {
      PYTHONPATH: resolve('python'),
      PYTHONDONTWRITEBYTECODE: '1',
    });
    const { chunks, requests } = await control(script);
    expect(script.output()).toBe('IDLE (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.02)\ndone\n');
    expect(requests).toBe(Request.START | Request.STOP);
    expect(chunks.length).toBeGreaterThan(2);
    for (const { rows, first, last, source, leadNs } of chunks) {
      expect([rows, source]).toEqual([50, script.pid]);
      expect(last).toEqual(first.map((value) => value + 0.49));
      expect(leadNs).toBeLessThan(0.5e9);
    }
    expect(segment.fields.leaseOwner).toBe(0);
    expect(segment.fields.leaseName).toBe('python');
  });

  it('are told when the segment is missing, another commands, or a chunk has the wrong shape', () => {
    const run = (program: string) =>
      spawnSync('python3', ['-c', `from myelin import *\nimport sys\n${program}`, name], {
        encoding: 'utf8',
        env: { ...process.env, PYTHONPATH: resolve('python'), PYTHONDONTWRITEBYTECODE: '1' },
      }).stderr.trim();
    expect(run('Arm("no_such")')).toMatch(
      /SegmentError: there is no segment "no_such": start myelin control first$/,
    );
    segment.fields.watchdogTimeoutS = 3600;
    segment.fields.leaseOwner = process.pid;
    segment.fields.leaseName = 'vitest';
    segment.fields.leaseHeartbeatNs = monotonicNs();
    expect(run('Arm(sys.argv[1]).take_lease("x")')).toMatch(
      `LeaseHeld: the arm is commanded by vitest (process ${process.pid})`,
    );
    segment.fields.leaseOwner = 0;
    expect(run('a = Arm(sys.argv[1]); a.take_lease("x"); a.send([[0] * 6])')).toMatch(
      /ValueError: a chunk has 1 to 128 rows of 7 numbers$/,
    );
    segment.beginState();
    expect(run('Arm(sys.argv[1]).read()')).toMatch(/SegmentError: the control process stopped/);
    segment.fields.version = 2;
    expect(run('Arm(sys.argv[1])')).toMatch(/has layout 2, this module speaks 1$/);
  });
});
