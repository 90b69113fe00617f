import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { percentile } from '../../core/bench-table.ts';
import { Request } from '../../core/control-state.ts';
import { toMyelinError } from '../../core/errors.ts';
import { monotonicNs } from '../../platform/clock.ts';
import { distEntry } from '../../platform/entry.ts';
import { ArmSegment, createArmSnapshot } from '../../segment/arm-segment.ts';
import { ChunkReader, ChunkWriter, createReceivedChunk } from '../../segment/chunk-exchange.ts';
import { Lease } from '../../segment/lease.ts';
import { expectThat, type SelfCheck } from './report.ts';

const READS = 300_000;
const name = `selftest_shm_${process.pid}`;
const make = (): ArmSegment => ArmSegment.create(name, { dof: 7, model: 'X5', interfaceName: 'none' });

const withSegment =
  (run: (segment: ArmSegment) => string | Promise<string>): (() => Promise<string>) =>
  async () => {
    const segment = make();
    try {
      return await run(segment);
    } finally {
      segment.unlink();
      segment.close();
    }
  };

const refusal = (act: () => unknown): string => {
  try {
    act();
  } catch (thrown) {
    return toMyelinError(thrown).code;
  }
  return 'accepted';
};

/** The shared memory exchange, with a real second process where two are needed. */
export const shmChecks: readonly SelfCheck[] = [
  {
    claim: 'a segment can be made, opened by name and read back',
    run: withSegment((segment) => {
      segment.fields.jointPositions[3] = -1.25;
      const other = ArmSegment.open(name);
      const seen = other.fields.jointPositions[3];
      other.close();
      expectThat(seen === -1.25, `wrote -1.25, read ${seen}`);
      return `${segment.memory.bytes} bytes under /dev/shm/${name}`;
    }),
  },
  {
    claim: 'no reader sees half a state while another process writes as fast as it can',
    run: withSegment(async (segment) => {
      const writer = spawn(process.execPath, [distEntry('cli/self-test/state-writer.js'), name], {
        stdio: 'inherit',
      });
      const snapshot = createArmSnapshot();
      const durationsNs = new Float64Array(READS);
      let torn = 0;
      let given = 0;
      try {
        while (segment.fields.tick === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        for (let i = 0; i < READS; i++) {
          const startedNs = monotonicNs();
          const whole = segment.readState(snapshot);
          durationsNs[i] = monotonicNs() - startedNs;
          if (!whole) continue;
          given += 1;
          if (snapshot.position[0] !== snapshot.tick || snapshot.commandedPosition[15] !== snapshot.tick)
            torn += 1;
        }
      } finally {
        writer.kill('SIGKILL');
        await once(writer, 'exit');
      }
      expectThat(torn === 0, `${torn} of ${given} reads were torn`);
      expectThat(given > 0, 'no state could be read at all');
      const p50Ns = percentile(durationsNs.sort(), 0.5);
      return `${given} whole reads, none torn; half of them took under ${(p50Ns / 1000).toFixed(2)} us, the clock included`;
    }),
  },
  {
    claim: 'a request bit is never lost and is taken once',
    run: withSegment((segment) => {
      segment.request(Request.START);
      segment.request(Request.STOP);
      const taken = [segment.takeRequests(), segment.takeRequests()];
      expectThat(
        taken[0] === (Request.START | Request.STOP) && taken[1] === 0,
        `took ${taken.join(' then ')}`,
      );
      return 'START and STOP arrived together, then nothing';
    }),
  },
  {
    claim: 'a chunk arrives whole, once',
    run: withSegment((segment) => {
      const writer = new ChunkWriter(segment);
      const reader = new ChunkReader(segment);
      const out = createReceivedChunk();
      const actions = Float64Array.from({ length: 50 * 7 }, (_, i) => i);
      writer.publish({ actions, rows: 50, dof: 7, stepPeriodS: 1 / 30, timestep: 9, observedNs: 1 }, 123);
      expectThat(reader.poll(out), 'nothing arrived');
      expectThat(out.rows === 50 && out.actions[349] === 349 && out.startNs === 123, 'the rows differ');
      expectThat(!reader.poll(out), 'it arrived twice');
      return '50 rows of 7';
    }),
  },
  {
    claim: 'one commander at a time',
    run: withSegment((segment) => {
      const lease = Lease.acquire(segment, 'first', monotonicNs());
      const again = Lease.holder(segment, monotonicNs())?.name;
      expectThat(again === 'first', `the holder reads ${again}`);
      lease.release();
      expectThat(Lease.holder(segment, monotonicNs()) === undefined, 'still held after release');
      return 'taken, seen by others, given back';
    }),
  },
  {
    claim: 'a live segment is not taken over; a wrong layout version is refused',
    run: withSegment((segment) => {
      const live = refusal(make);
      expectThat(live === 'SEGMENT_IN_USE', `a second owner got: ${live}`);
      segment.fields.version = 999;
      const wrong = refusal(() => ArmSegment.open(name));
      expectThat(wrong === 'SEGMENT_VERSION', `opening layout 999 gave: ${wrong}`);
      return 'SEGMENT_IN_USE, SEGMENT_VERSION';
    }),
  },
  {
    claim: 'nothing is left behind',
    run: async () => {
      expectThat(!existsSync(`/dev/shm/${name}`), `/dev/shm/${name} is still there`);
      return '/dev/shm is as before';
    },
  },
];
