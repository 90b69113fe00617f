/**
 * The thread that holds a model's sessions. `session.run()` blocks the thread that calls it for as long as the
 * model takes, so it gets one of its own; see `session.ts` for the handle.
 */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type {
  ModelInput,
  Port,
  RunRequest,
  StagePorts,
  TensorValue,
  WorkerReply,
  WorkerSettings,
} from './session-protocol.ts';

const port = parentPort;
if (port === null) throw new Error('session-worker.js runs as a worker thread only');
const settings = workerData as WorkerSettings;
const sessions = new Map<string, InferenceSession>();
const kept = new Map<string, Tensor>();

const reply = (message: WorkerReply, transfer: readonly ArrayBuffer[] = []) =>
  port.postMessage(message, transfer);
const reasonOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

function options(): InferenceSession.SessionOptions {
  return {
    executionProviders: ['cpu'],
    intraOpNumThreads: settings.threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    // Idle threads sleep instead of spinning: a control loop shares these cores.
    extra: {
      session: {
        intra_op: { allow_spinning: '0' },
        model_external_initializers_file_folder_path: settings.folder,
      },
    },
  };
}

async function load(): Promise<typeof import('onnxruntime-node') | undefined> {
  let stage = 'runtime';
  try {
    // On Linux this is the calling thread's nice value alone; the pool started from it inherits it.
    if (process.platform === 'linux' && settings.niceness > 0) setPriority(0, settings.niceness);
    const runtime = await import('onnxruntime-node');
    const loadMs: Record<string, number> = {};
    const ports: Record<string, StagePorts> = {};
    for (const { name, model } of settings.stages) {
      stage = name;
      const started = performance.now();
      // Bytes or a path: two overloads of one function.
      const session = await runtime.InferenceSession.create(model as string, options());
      loadMs[name] = performance.now() - started;
      ports[name] = {
        inputs: session.inputMetadata.map(describePort),
        outputs: session.outputMetadata.map(describePort),
      };
      sessions.set(name, session);
    }
    reply({ kind: 'ready', loadMs, ports });
    return runtime;
  } catch (thrown) {
    reply({ kind: 'unusable', stage, reason: reasonOf(thrown) });
    return undefined;
  }
}

function describePort(metadata: InferenceSession.ValueMetadata): Port {
  if (!metadata.isTensor) return { name: metadata.name, type: 'not a tensor', shape: [] };
  return { name: metadata.name, type: metadata.type, shape: metadata.shape };
}

async function run(runtime: typeof import('onnxruntime-node'), request: RunRequest): Promise<void> {
  try {
    const session = sessions.get(request.stage);
    if (session === undefined) throw new Error(`there is no stage "${request.stage}"`);
    const feeds: Record<string, Tensor> = {};
    const buffers: Record<string, TensorValue> = {};
    for (const [name, input] of Object.entries(request.inputs)) {
      feeds[name] = toTensor(runtime, input);
      if (!('kept' in input)) buffers[name] = input;
    }
    const names = [...new Set([...Object.keys(request.keep), ...request.fetch])];
    const started = performance.now();
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

function toTensor(runtime: typeof import('onnxruntime-node'), input: ModelInput): Tensor {
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

const runtime = await load();
if (runtime !== undefined) {
  port.on('message', (request: RunRequest) => void run(runtime, request));
}
