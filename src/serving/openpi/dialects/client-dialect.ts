import type { Observation } from '../../../core/observation.ts';
import type { CameraNeed, RealTimeSupport } from '../../../policies/policy.ts';
import type { Rgb } from '../../pictures/resize-with-pad.ts';
import type { ExtendedRequest } from '../extension.ts';
import type { Reply } from '../openpi-link.ts';
import type { RobotKeys } from '../robot-keys.ts';
import type { WireMap, WireValue } from '../wire-value.ts';

/** What a server's first frame, and the caller where it says nothing, tell about its policy. */
export interface RemotePolicy {
  readonly cameras: readonly CameraNeed[];
  readonly stateNames?: readonly string[] | undefined;
  readonly actionNames?: readonly string[] | undefined;
  readonly chunkRows?: number | undefined;
  readonly actionSteps?: number | undefined;
  readonly stepPeriodS?: number | undefined;
  /** For people. */
  readonly name: string;
  /** Whether states and actions are the robot's own on the wire; otherwise the client normalises. */
  readonly normalises: 'server' | 'client' | 'unknown';
  /** Side of the square that pictures are fitted into before they go out; undefined sends them as they are. */
  readonly pictureSide?: number | undefined;
  /** Whether it understands our additions. */
  readonly extended?: boolean;
  readonly subtasks?: boolean;
  /** Whether its policy wants every step's observation. */
  readonly looksBack?: boolean;
  /** There where it can continue a running chunk. */
  readonly realTime?: RealTimeSupport | undefined;
}

/** What is to be sent. */
export interface ClientRequest {
  readonly observation: Observation;
  /** By the name of the camera in `RemotePolicy`, of the size they travel in. */
  readonly pictures: ReadonlyMap<string, Rgb>;
  /** Normalised where the client does it. */
  readonly state: Float64Array;
  readonly robot: RobotKeys;
  readonly options: ExtendedRequest;
  readonly remote: RemotePolicy;
}

/** How to talk to one kind of openpi server. */
export interface ClientDialect {
  readonly name: 'openpi' | 'sglang' | 'vllm-omni';
  describe(metadata: WireMap, robot: RobotKeys): RemotePolicy;
  request(request: ClientRequest): WireMap;
  /** The part of the reply that holds actions, or the server's words of failure. */
  actions(reply: Reply): { readonly value: WireValue | undefined } | { readonly failure: string };
  /** What to send when an episode begins; undefined when the server remembers nothing. */
  readonly reset?: WireMap;
}
