import { toMyelinError } from '../../core/errors.ts';
import { requestRealtime } from '../../platform/realtime.ts';
import { SharedMemory } from '../../platform/shared-memory.ts';
import type { RealtimeProbe } from './realtime.ts';

/** Asks for what a control process asks for, says what was granted, and ends. */

/** Below what anything that matters runs at. */
const PRIORITY = 1;
const BYTES = 2 ** 20;

const result: RealtimeProbe = { fifo: false, memlock: false, segmentProblem: '', segmentHint: '' };
const segment = shared();
const { fifo } = requestRealtime({ priority: PRIORITY });
process.stdout.write(`${JSON.stringify({ ...result, ...segment, fifo })}\n`);

function shared(): Pick<RealtimeProbe, 'memlock' | 'segmentProblem' | 'segmentHint'> {
  try {
    const memory = SharedMemory.create(`myelin_doctor_${process.pid}`, BYTES);
    const memlock = memory.lock();
    memory.unlink();
    memory.close();
    return { memlock, segmentProblem: '', segmentHint: '' };
  } catch (thrown) {
    const { message, hint } = toMyelinError(thrown);
    return { memlock: false, segmentProblem: message, segmentHint: hint };
  }
}
