import type { WireArray } from './wire-array.ts';

/**
 * What LeRobot's asynchronous inference carries, whatever form it has on the wire. Names in comments are the
 * attributes of LeRobot's dataclasses.
 */

/** One entry of `lerobot_features`: a vector with its parts' names, or a camera's pictures. */
export interface LeRobotFeature {
  readonly dtype: string;
  /** Of pictures: height, width, channels. */
  readonly shape: readonly number[];
  /** Keys of the robot's own observation, in the vector's order; absent where the client did not say. */
  readonly names: readonly string[] | undefined;
}

/** `RemotePolicyConfig`: what a client asks a server to run, and how its robot's observations read. */
export interface RemotePolicyConfig {
  readonly policyType: string;
  readonly pretrainedNameOrPath: string;
  readonly features: ReadonlyMap<string, LeRobotFeature>;
  readonly actionsPerChunk: number;
  readonly device: string;
  readonly renameMap: ReadonlyMap<string, string>;
}

/** A value of the robot's observation: a motor, the task, a picture. Others are dropped while decoding. */
export type ObservationValue = number | string | WireArray | ReadonlyMap<string, WireArray>;

/** `TimedObservation`. */
export interface TimedObservation {
  /** Client's clock, s since 1970. */
  readonly timestampS: number;
  readonly timestep: number;
  /** The client's queue is empty: answer this one in any case. */
  readonly mustGo: boolean;
  /** By the robot's own keys. */
  readonly values: ReadonlyMap<string, ObservationValue>;
}

/** `list[TimedAction]`. */
export interface TimedActions {
  /** `rows * dof` numbers, row by row, in the robot's units. */
  readonly actions: Float32Array;
  readonly dof: number;
  /** One entry a row. */
  readonly rows: readonly { readonly timestampS: number; readonly timestep: number }[];
}

/** A form the messages may have on the wire. Readers throw MESSAGE_INVALID, PICKLE_FORBIDDEN or PICKLE_INVALID. */
export interface LeRobotCodec {
  readonly name: 'pickle' | 'safetensors';
  readPolicyConfig(bytes: Uint8Array): RemotePolicyConfig;
  readObservation(bytes: Uint8Array): TimedObservation;
  readActions(bytes: Uint8Array): TimedActions;
  writePolicyConfig(config: RemotePolicyConfig): Uint8Array;
  writeObservation(observation: TimedObservation): Uint8Array;
  writeActions(actions: TimedActions): Uint8Array;
}
