/**
 * The thread that holds a model's sessions. `session.run()` blocks the thread that calls it for as long as the
 * model takes, so it gets one of its own; see `session.ts` for the handle.
 */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ModelInput, RunRequest, TensorValue, WorkerReply, WorkerSettings } from './session-protocol.ts';
import { type Runtime, StageFailure, StageSessions } from './stage-sessions.ts';
import { DeviceRefusal, startOnBest } from './start.ts';
import { lookAround } from './surroundings.ts';

const port = parentPort;
if (port === null) throw new Error('session-worker.js runs as a worker thread only');
const settings = workerData as WorkerSettings;
const kept = new Map<string, Tensor>();

const reply = (message: WorkerReply, transfer: readonly ArrayBuffer[] = []) =>
  port.postMessage(message, transfer);
const reasonOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

async function serve(): Promise<void> {
  try {
    // On Linux this is the calling thread's nice value alone; the pool started from it inherits it.
    if (process.platform === 'linux' && settings.niceness > 0) setPriority(0, settings.niceness);
    const runtime = await import('onnxruntime-node');
    const { loaded, device, reason } = await startOnBest(settings.device, lookAround(runtime), (each) =>
      StageSessions.load(runtime, settings, each),
    );
    const { loadMs, ports } = loaded;
    reply({ kind: 'ready', loadMs, ports, device, deviceReason: reason });
    port?.on('message', (request: RunRequest) => void run(runtime, loaded, request));
  } catch (thrown) {
    const reason = reasonOf(thrown);
    if (thrown instanceof DeviceRefusal) {
      const { device, advice } = thrown;
      reply({ kind: 'no-device', device, reason, advice });
    } else {
      reply({ kind: 'unusable', stage: thrown instanceof StageFailure ? thrown.stage : 'runtime', reason });
    }
  }
}

async function run(runtime: Runtime, stages: StageSessions, request: RunRequest): Promise<void> {
  try {
    const session = await stages.session(request.stage);
    const feeds: Record<string, Tensor> = {};
    const buffers: Record<string, TensorValue> = {};
    for (const [name, input] of Object.entries(request.inputs)) {
      feeds[name] = toTensor(runtime, input);
      if (!('kept' in input)) buffers[name] = input;
    }
    const names = [...new Set([...Object.keys(request.keep), ...request.fetch])];
    const started = performance.now();
    // Results of the runtime's own making: giving it buffers to fill saves 0.1 ms a megabyte at best.
    const results = await session.run(feeds, names);
    const durationMs = performance.now() - started;
    for (const [name, keepAs] of Object.entries(request.keep)) kept.set(keepAs, result(results, name));
    const outputs: Record<string, TensorValue> = {};
    for (const name of request.fetch) {
      const { data, dims } = result(results, name);
      // A copy: the runtime's own buffer is not ours to give away. What is fetched is small.
      outputs[name] = { shape: dims, data: (data as Float32Array<ArrayBuffer>).slice() };
    }
    const transfer = [...Object.values(outputs), ...Object.values(buffers)].map(({ data }) => data.buffer);
    reply({ kind: 'done', id: request.id, durationMs, outputs, inputs: buffers }, transfer);
  } catch (thrown) {
    reply({ kind: 'failed', id: request.id, reason: reasonOf(thrown) });
  }
}

function toTensor(runtime: Runtime, input: ModelInput): Tensor {
  if ('kept' in input) {
    const tensor = kept.get(input.kept);
    if (tensor === undefined) throw new Error(`nothing is kept as "${input.kept}"`);
    return tensor;
  }
  return new runtime.Tensor(input.data, input.shape);
}

function result(results: InferenceSession.OnnxValueMapType, name: string): Tensor {
  const value = results[name];
  if (value === undefined) throw new Error(`the model has no output "${name}"`);
  return value as Tensor;
}

await serve();
