/** What crosses between a model's handle and the thread that runs it. */
import type { DeviceRequest, Obstacle } from './device.ts';

export type TensorData =
  | Float32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>;

export interface TensorValue {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** An input is a tensor, or the name under which an earlier run's result was kept in the thread. */
export type ModelInput = TensorValue | { readonly kept: string };

export interface ModelStage {
  readonly name: string;
  /** The ONNX model: bytes, whose external data lies in `folder`; or a file with its data beside it. */
  readonly model: Uint8Array | string;
  /** Loaded when it first runs: for stages that not everyone needs. */
  readonly lazy?: boolean;
  /** Reads weights where they lie in the file instead of preparing them: slower to run, nothing to hold. */
  readonly lean?: boolean;
}

export interface WorkerSettings {
  readonly stages: readonly ModelStage[];
  /** Root of the file system: external data of models given as bytes is named from it. */
  readonly root: string;
  readonly device: DeviceRequest;
  readonly threads: number;
  /** Added to the thread's nice value: inference gives way to whatever keeps time. */
  readonly niceness: number;
}

export interface RunRequest {
  readonly kind: 'run';
  readonly id: number;
  readonly stage: string;
  readonly inputs: Readonly<Record<string, ModelInput>>;
  /** Results kept in the thread: output name to the name to keep it under. */
  readonly keep: Readonly<Record<string, string>>;
  /** Results to send back. */
  readonly fetch: readonly string[];
}

export type WorkerReply =
  | {
      readonly kind: 'ready';
      readonly loadMs: Readonly<Record<string, number>>;
      readonly ports: Readonly<Record<string, StagePorts>>;
      /** The device it runs on: `cuda:1`. */
      readonly device: string;
      /** Why that one, for people. */
      readonly deviceReason: string;
    }
  | { readonly kind: 'unusable'; readonly stage: string; readonly reason: string }
  | ({ readonly kind: 'no-device'; readonly device: string } & Obstacle)
  | {
      readonly kind: 'done';
      readonly id: number;
      readonly durationMs: number;
      readonly outputs: Readonly<Record<string, TensorValue>>;
      /** The buffers that came in, to be used again. */
      readonly inputs: Readonly<Record<string, TensorValue>>;
    }
  | { readonly kind: 'failed'; readonly id: number; readonly reason: string };

export interface Port {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

/** A stage's inputs and outputs as its model declares them. */
export interface StagePorts {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}
