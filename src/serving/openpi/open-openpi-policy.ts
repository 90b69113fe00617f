import { MyelinError } from '../../core/errors.ts';
import type { PolicySpec } from '../../policies/policy.ts';
import type { ClientDialect, RemotePolicy } from './dialects/client-dialect.ts';
import { isSglang, sglangClient } from './dialects/sglang-client.ts';
import { stockClient } from './dialects/stock-client.ts';
import { isVllmOmni, vllmOmniClient } from './dialects/vllm-omni-client.ts';
import { OpenpiLink } from './openpi-link.ts';
import { hasStats, OpenpiPolicy, type OpenpiPolicyOptions } from './openpi-policy.ts';
import { GENERIC, type RobotKeys, robotNamed } from './robot-keys.ts';
import type { WireMap } from './wire-value.ts';

/**
 * Connects to an openpi server, whichever it is: its path and first frame tell.
 * @throws MyelinError SERVER_UNREACHABLE, SERVER_REFUSED, INVALID_ARGUMENT when the server does not say what must be
 *   known and the caller did not either
 * @example
 * const policy = await openOpenpiPolicy({ url: 'ws://gpu-box:8000', robot: 'libero' });
 * const chunk = await policy.infer(observation);
 */
export async function openOpenpiPolicy(options: OpenpiPolicyOptions): Promise<OpenpiPolicy> {
  const robot = withCameras(robotNamed(options.robot) ?? GENERIC, options.cameras);
  const first: { found?: { dialect: ClientDialect; remote: RemotePolicy } } = {};
  const link = new OpenpiLink({
    ...options,
    onGreeting: (metadata) => {
      const found = recognise(options.url, metadata, robot);
      if (first.found === undefined) first.found = found;
      else checkSame(options.url, first.found.remote, found.remote);
    },
  });
  try {
    await link.connect();
    if (first.found === undefined) throw new TypeError('connected without a greeting');
    const { dialect, remote: described } = first.found;
    const remote = withNamedCameras(described, options.cameras);
    if (remote.normalises === 'client' && options.normStats === undefined) {
      throw new MyelinError('INVALID_ARGUMENT', {
        name: 'the normalisation statistics',
        value: 'missing',
        allowed: `given: ${remote.name} leaves normalising to its client (norm_stats.json of the checkpoint, or none)`,
      });
    }
    return new OpenpiPolicy({ options, link, robot, dialect, remote, spec: specOf(options, robot, remote) });
  } catch (thrown) {
    link.close();
    throw thrown;
  }
}

function recognise(url: string, metadata: WireMap, robot: RobotKeys) {
  const dialect = isSglang(metadata) ? sglangClient : isVllmOmni(metadata) ? vllmOmniClient : stockClient;
  try {
    return { dialect, remote: dialect.describe(metadata, robot) };
  } catch (cause) {
    const reason = 'metadata that is not as documented';
    const advice = 'It may be a newer version of that server.';
    throw new MyelinError('SERVER_REFUSED', { url, reason, advice }, { cause });
  }
}

/** A server that came back with another policy must not move the arm as if it were the same. */
function checkSame(url: string, before: RemotePolicy, now: RemotePolicy): void {
  const essence = ({ cameras, actionNames, chunkRows, normalises }: RemotePolicy) =>
    JSON.stringify([cameras, actionNames, chunkRows, normalises]);
  if (essence(before) === essence(now)) return;
  const reason = `it serves another policy now (${now.name}, before ${before.name})`;
  throw new MyelinError('SERVER_REFUSED', { url, reason, advice: 'Start this program again to use it.' });
}

/** A policy that looks at no camera is sent those that were named all the same: one that does nothing, to try a network. */
function withNamedCameras(remote: RemotePolicy, cameras: readonly string[] = []): RemotePolicy {
  return remote.cameras.length > 0 ? remote : { ...remote, cameras: cameras.map((name) => ({ name })) };
}

function withCameras(robot: RobotKeys, cameras: readonly string[] | undefined): RobotKeys {
  if (cameras === undefined) return robot;
  return {
    ...robot,
    cameras: cameras.map((key) => ({
      ...robot.cameras.find((camera) => camera.key === key),
      key,
      required: true,
    })),
  };
}

function specOf(options: OpenpiPolicyOptions, robot: RobotKeys, remote: RemotePolicy): PolicySpec {
  const numbered = (what: string, count: number) => Array.from({ length: count }, (_, i) => `${what}_${i}`);
  const { actionLength, normStats } = options;
  const length = actionLength ?? (hasStats(normStats) ? normStats.actionLength : undefined);
  const actionNames = length === undefined ? remote.actionNames : numbered('action', length);
  const chunkRows = options.chunkRows ?? remote.chunkRows;
  if (actionNames === undefined || chunkRows === undefined) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'the size of a chunk',
      value: 'unknown',
      allowed: `given: ${remote.name} does not tell its rows and numbers a row (name the robot, or both)`,
    });
  }
  return {
    name: remote.name,
    cameras: remote.cameras,
    stateNames:
      remote.stateNames ??
      numbered(
        'state',
        robot.state.reduce((sum, { length: part = 0 }) => sum + part, 0) || actionNames.length,
      ),
    actionNames,
    chunkRows,
    actionSteps: options.actionSteps ?? remote.actionSteps ?? Math.ceil(chunkRows / 2),
    stepPeriodS: remote.stepPeriodS ?? options.stepPeriodS ?? (robot.name === 'aloha' ? 1 / 50 : 1 / 15),
    subtasks: remote.subtasks ?? false,
    ...(remote.realTime === undefined ? {} : { realTime: remote.realTime }),
  };
}
