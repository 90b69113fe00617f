import { toMyelinError } from '../../core/errors.ts';
import {
  type ConnectionOptions,
  isUnimplemented,
  LeRobotConnection,
} from '../../serving/lerobot/connection.ts';
import { readDescription } from '../../serving/lerobot/extension.ts';
import { ASYNC_INFERENCE, MYELIN_INFERENCE } from '../../serving/lerobot/service.ts';
import { type Finding, ok, problem } from './check.ts';
import { latencyFinding } from './latency.ts';

export interface Probe {
  readonly rounds: number;
  readonly fps: number;
  /** Time for one answer, ms. */
  readonly timeoutMs: number;
}

/**
 * LeRobot's handshake, then the latency. Round trips are calls of a method that only servers of ours have: others
 * answer that they do not know it, which takes as long and disturbs nobody.
 */
export async function lookAtLeRobotServer(
  options: ConnectionOptions,
  { rounds, fps, timeoutMs }: Probe,
  signal: AbortSignal,
): Promise<Finding[]> {
  using connection = new LeRobotConnection(options);
  const limits = () => ({ deadlineMs: timeoutMs, signal });
  try {
    await connection.call(ASYNC_INFERENCE.ready, {}, limits());
    const description = await connection.call(MYELIN_INFERENCE.describe, {}, limits()).catch(ifUnknown);
    const policy = description && readDescription(description).policy;
    const who =
      description === undefined
        ? "LeRobot's own server"
        : `Myelin${policy === undefined ? '' : `, with ${policy.name}`}`;
    const handshake = ok(`shakes hands: ${who}`, {
      server: description === undefined ? 'lerobot' : 'myelin',
      ...(policy === undefined ? {} : { policy }),
    });
    const latency = await latencyFinding(rounds, fps, signal, async () => {
      await connection.call(MYELIN_INFERENCE.describe, {}, limits()).catch(ifUnknown);
    });
    return [handshake, latency];
  } catch (thrown) {
    const { code, message } = toMyelinError(thrown);
    return [
      code === 'SERVER_UNREACHABLE'
        ? problem(
            `no handshake: ${message}`,
            'Something listens there, but it does not answer as a LeRobot server: another program at that port, or one with TLS (--tls).',
          )
        : problem(`no handshake: ${message}`, 'Is it a LeRobot server? Does it want a --token?'),
    ];
  }
}

function ifUnknown(thrown: unknown): undefined {
  if (!isUnimplemented(thrown)) throw thrown;
  return undefined;
}
