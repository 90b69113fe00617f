import { readFileSync } from 'node:fs';
import { armDescription } from '../arms/catalogue.ts';
import type { AggregateName } from '../core/aggregation.ts';
import { MyelinError } from '../core/errors.ts';
import type { InferenceNode } from '../inference/inference-node.ts';
import { collectRarely } from '../platform/heap-growth.ts';
import type { Policy } from '../policies/policy.ts';
import { CameraReader } from '../segment/camera-ring.ts';
import { LeRobotPolicy } from '../serving/lerobot/client.ts';
import { hostAndPort, parseServer } from './doctor/server-address.ts';
import { type ArmFacts, type InferOptions, runInference } from './infer-session.ts';
import { QueueRecorder } from './queue-recorder.ts';
import { openRemotePolicy } from './remote-policy.ts';
import { isRemotePolicy } from './remote-policy-address.ts';
import type { RtcFlags } from './rtc-flags.ts';

export interface RobotClientOptions extends RtcFlags {
  readonly serverAddress: string;
  readonly policyType: string;
  readonly pretrainedNameOrPath: string;
  readonly policyDevice: string;
  readonly actionsPerChunk: number;
  readonly chunkSizeThreshold: number;
  readonly aggregateFnName: AggregateName;
  readonly fps: number;
  readonly task: string;
  /** A file, or true for the default one. */
  readonly debugVisualizeQueueSize?: string | boolean;
  readonly cameraId: readonly string[];
  readonly cameraSize: readonly [width: number, height: number];
  readonly rename: ReadonlyMap<string, string>;
  readonly token?: string;
  readonly tls: boolean;
  readonly tlsCa?: string;
  readonly slowAfter: number;
  readonly homeAfter: number;
  readonly display: boolean;
  readonly dryRun: boolean;
  readonly segment: string;
  readonly autostart: boolean;
}

/** Drives the arm until somebody quits. Returns the exit code. */
export async function runRobotClient(options: RobotClientOptions): Promise<number> {
  collectRarely();
  const { homeAfter, slowAfter, debugVisualizeQueueSize: plot } = options;
  const recorder = plot === undefined || plot === false ? undefined : new QueueRecorder(plot);
  try {
    return await runInference(inferOptions(options), {
      openPolicy: async (arm, say) => openServed(options, arm, say),
      starvation: { slowAfterS: slowAfter, ...(homeAfter > 0 ? { homeAfterS: homeAfter } : {}) },
      ...(recorder === undefined ? {} : { watch: (node: InferenceNode) => recorder.watch(node) }),
    });
  } finally {
    if (recorder !== undefined) process.stdout.write(`${await recorder.write()}\n`);
  }
}

const inferOptions = (options: RobotClientOptions): InferOptions => ({
  ...options,
  numFlowSteps: 10,
  inferenceFreq: options.fps,
  cameraId: options.cameraId.filter((text) => text.includes('=') || isRemotePolicy(options.serverAddress)),
  display: options.display,
  dryRun: options.dryRun,
  aggregateFn: options.aggregateFnName,
  chunkSizeThreshold: options.chunkSizeThreshold,
  actionsPerChunk: options.actionsPerChunk,
  task: options.task,
  segment: options.segment,
  autostart: options.autostart,
  device: 'auto',
});

/** The policy behind a server of LeRobot's protocol, or of the one its address names. */
async function openServed(
  options: RobotClientOptions,
  arm: ArmFacts,
  say: (text: string) => void,
): Promise<Policy> {
  const { serverAddress, token, tlsCa: caFile } = options;
  if (!isRemotePolicy(serverAddress)) return remotePolicy(options, arm, say);
  return openRemotePolicy(serverAddress, say, { token, caFile });
}

/** The policy behind the server, and what is said when it comes and goes. */
function remotePolicy(
  options: RobotClientOptions,
  arm: ArmFacts,
  say: (text: string) => void,
): LeRobotPolicy {
  const token = options.token ?? process.env.MYELIN_TOKEN;
  const server = parseServer(options.serverAddress);
  const encrypted = options.tls || server.tls || undefined;
  const tls = options.tlsCa === undefined ? encrypted : readCertificate(options.tlsCa);
  const cameras = options.cameraId.map((text) => {
    const [name = '', source] = text.split('=');
    const [width, height] = pictureSize(source ?? name) ?? options.cameraSize;
    return { name, width, height };
  });
  say(`asking ${options.serverAddress} for ${options.policyType} ${options.pretrainedNameOrPath}`);
  const policy = new LeRobotPolicy({
    address: hostAndPort(server),
    policyType: options.policyType,
    pretrainedNameOrPath: options.pretrainedNameOrPath,
    policyDevice: options.policyDevice,
    actionsPerChunk: options.actionsPerChunk,
    stateNames: armDescription(arm.model).jointNames.map((name) => `${name}.pos`),
    cameras,
    renameMap: options.rename,
    fps: options.fps,
    ...(token === undefined || token === '' ? {} : { token }),
    tls,
    onEvent: say,
  });
  // Before START: what is wrong is said now, and the server loads the model meanwhile.
  policy.connect().catch(() => undefined);
  return policy;
}

function readCertificate(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
  }
}

/** The size of a ring's pictures, when it is filmed already. */
function pictureSize(ring: string): readonly [number, number] | undefined {
  try {
    const reader = CameraReader.open(ring);
    const frame = reader.read();
    reader.close();
    return frame === undefined ? undefined : [frame.width, frame.height];
  } catch {
    return undefined;
  }
}
