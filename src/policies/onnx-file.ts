import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { MyelinError } from '../core/errors.ts';
import { CheckpointPolicy } from './checkpoint-policy.ts';
import {
  ACTION,
  ENVIRONMENT_STATE,
  type Feature,
  normModeSchema,
  pictureFeatures,
  STATE,
} from './features.ts';
import type { Model, PictureNeed, VectorNeed } from './model.ts';
import { Session } from './onnx/session.ts';
import type { ModelInput, TensorValue } from './onnx/session-protocol.ts';
import type { OpenPolicyOptions } from './open-options.ts';
import type { InferOptions } from './policy.ts';
import { type Batch, type Picture, writeChannels } from './processors/batch.ts';
import { type FeatureStatistics, Normalizer } from './processors/normalizer.ts';
import { Pipeline } from './processors/pipeline.ts';
import { readJson } from './read-json.ts';

const count = z.int().positive().max(100_000);
const numbers = z.array(z.number()).min(1);

/** Statistics as in LeRobot: only the ones the mode needs must be there. */
const normalizationSchema = z
  .strictObject({
    mode: normModeSchema,
    mean: numbers.optional(),
    std: numbers.optional(),
    min: numbers.optional(),
    max: numbers.optional(),
    q01: numbers.optional(),
    q10: numbers.optional(),
    q90: numbers.optional(),
    q99: numbers.optional(),
    epsilon: z.number().positive().default(1e-8),
  })
  .default({ mode: 'IDENTITY', epsilon: 1e-8 });

const inputSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('picture'),
    camera: z.string().min(1),
    width: count,
    height: count,
    normalization: normalizationSchema,
  }),
  z.strictObject({ kind: z.literal('state'), length: count, normalization: normalizationSchema }),
  z.strictObject({ kind: z.literal('environment'), length: count, normalization: normalizationSchema }),
]);

/** The manifest beside an `.onnx` file; documented in docs/protocols/onnx-manifest.md. */
export const manifestSchema = z.strictObject({
  format: z.literal('myelin-onnx/1'),
  name: z.string().optional(),
  inputs: z.record(z.string(), inputSchema),
  output: z.strictObject({
    name: z.string(),
    chunkRows: count,
    actionLength: count,
    normalization: normalizationSchema,
  }),
  actionSteps: count.optional(),
  stepPeriodS: z.number().positive().max(10).optional(),
  stateNames: z.array(z.string()).optional(),
  actionNames: z.array(z.string()).optional(),
});

export type OnnxManifest = z.infer<typeof manifestSchema>;
type ManifestInput = OnnxManifest['inputs'][string];

/** `policy.onnx` is described by `policy.json`, or by `policy.onnx.json`. */
function manifestFile(model: string): string {
  const beside = model.replace(/\.onnx$/, '.json');
  return existsSync(beside) ? beside : `${model}.json`;
}

const featureOf = (input: ManifestInput): string => {
  if (input.kind === 'picture') return pictureFeatures(input.camera)[0] as string;
  return input.kind === 'state' ? STATE : ENVIRONMENT_STATE;
};

/**
 * Opens a plain ONNX model with its manifest.
 * @throws MyelinError FILE_NOT_FOUND, CONFIG_INVALID, CHECKPOINT_INVALID, MODEL_FAILED
 */
export async function openOnnxFile(path: string, options: OpenPolicyOptions): Promise<CheckpointPolicy> {
  const file = manifestFile(path);
  const manifest = await readJson(file, manifestSchema);
  const real = await realpath(path).catch((cause: unknown) => {
    throw new MyelinError('FILE_NOT_FOUND', { file: path }, { cause });
  });
  const pipelines = manifestPipelines(manifest, file);
  const session = await Session.open({
    ...options,
    stages: [{ name: 'model', model: real }],
    folder: dirname(real),
  });
  try {
    const model = new OnnxFileModel(session, manifest, file);
    return new CheckpointPolicy({
      name: manifest.name ?? `onnx ${path}`,
      model,
      ...pipelines,
      actionSteps: manifest.actionSteps ?? manifest.output.chunkRows,
      stepPeriodS: manifest.stepPeriodS ?? options.stepPeriodS,
      stateNames: manifest.stateNames ?? options.stateNames,
      actionNames: manifest.actionNames ?? options.actionNames,
      cameras: options.cameras,
    });
  } catch (thrown) {
    await session.close();
    throw thrown;
  }
}

function manifestPipelines(manifest: OnnxManifest, file: string): { before: Pipeline; after: Pipeline } {
  const { output } = manifest;
  const inputs = Object.values(manifest.inputs).map(
    (input): [string, Feature, typeof input.normalization] => [
      featureOf(input),
      input.kind === 'picture'
        ? { type: 'VISUAL', shape: [3, input.height, input.width] }
        : { type: 'STATE', shape: [input.length] },
      input.normalization,
    ],
  );
  const action: [string, Feature, typeof output.normalization] = [
    ACTION,
    { type: 'ACTION', shape: [output.actionLength] },
    output.normalization,
  ];
  // Each feature has its own mode here, where LeRobot has one for each type: one normaliser apiece.
  const normalizers = [...inputs, action].map(([name, feature, { mode, epsilon, ...statistics }]) => {
    const known = Object.entries(statistics).flatMap(([key, values]): [string, Float64Array][] =>
      values === undefined ? [] : [[key, Float64Array.from(values)]],
    );
    return new Normalizer({
      features: new Map([[name, feature]]),
      modes: new Map([[feature.type, mode]]),
      statistics: new Map<string, FeatureStatistics>([[name, new Map(known)]]),
      epsilon,
      file,
    });
  });
  const steps = (apply: (normalizer: Normalizer, batch: Batch) => void) =>
    normalizers.map((normalizer) => ({
      name: 'normalize',
      apply: (batch: Batch) => apply(normalizer, batch),
    }));
  return {
    before: new Pipeline(steps((normalizer, batch) => normalizer.forward(batch))),
    after: new Pipeline(steps((normalizer, batch) => normalizer.backward(batch))),
  };
}

class OnnxFileModel implements Model {
  readonly pictures: readonly PictureNeed[];
  readonly vectors: readonly VectorNeed[];
  readonly chunkRows: number;
  readonly actionLength: number;
  readonly loadMs: Readonly<Record<string, number>>;
  readonly threads: number;
  readonly #session: Session;
  readonly #output: string;
  readonly #inputs: readonly {
    readonly name: string;
    readonly rank: number;
    readonly input: ManifestInput;
  }[];
  #buffers = new Map<string, TensorValue>();

  constructor(session: Session, manifest: OnnxManifest, file: string) {
    this.#session = session;
    this.loadMs = session.loadMs;
    this.threads = session.threads;
    this.chunkRows = manifest.output.chunkRows;
    this.actionLength = manifest.output.actionLength;
    this.#output = manifest.output.name;
    const inputs = Object.values(manifest.inputs);
    this.pictures = inputs.flatMap((input) =>
      input.kind === 'picture'
        ? [{ feature: featureOf(input), width: input.width, height: input.height }]
        : [],
    );
    this.vectors = inputs.flatMap((input) =>
      input.kind === 'picture' ? [] : [{ feature: featureOf(input), length: input.length }],
    );
    this.#inputs = bindPorts(session, manifest, file);
  }

  async predict(batch: Batch, { signal, onStage }: InferOptions): Promise<ArrayLike<number>> {
    const started = performance.now();
    const inputs: Record<string, ModelInput> = {};
    for (const { name, rank, input } of this.#inputs) inputs[name] = this.#tensor(name, rank, input, batch);
    onStage?.('pictures', performance.now() - started);
    this.#buffers = new Map();
    const run = await this.#session.run('model', inputs, { fetch: [this.#output] });
    this.#buffers = new Map(Object.entries(run.inputs));
    onStage?.('model', run.durationMs);
    signal?.throwIfAborted();
    return run.outputs[this.#output]?.data as Float32Array;
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  #tensor(name: string, rank: number, input: ManifestInput, batch: Batch): ModelInput {
    const extents = input.kind === 'picture' ? [3, input.height, input.width] : [input.length];
    const shape = [...Array<number>(rank - extents.length).fill(1), ...extents];
    const size = extents.reduce((product, n) => product * n, 1);
    const tensor = this.#buffers.get(name) ?? { shape, data: new Float32Array(size) };
    const data = tensor.data as Float32Array;
    if (input.kind === 'picture') writeChannels(batch.pictures.get(featureOf(input)) as Picture, data);
    else data.set(batch.vectors.get(featureOf(input)) as Float64Array);
    return tensor;
  }
}

/** Every input and the output of the model must be told, be float32, and have the extents the manifest says. */
function bindPorts(session: Session, manifest: OnnxManifest, file: string) {
  const { inputs = [], outputs = [] } = session.ports.model ?? {};
  const invalid = (detail: string) => new MyelinError('CONFIG_INVALID', { file, detail });
  const untold = inputs.find(({ name }) => !Object.hasOwn(manifest.inputs, name));
  if (untold !== undefined) throw invalid(`inputs: the model's input "${untold.name}" is not described`);
  if (!outputs.some(({ name }) => name === manifest.output.name)) {
    throw invalid(`output.name: the model has ${outputs.map(({ name }) => `"${name}"`).join(', ')}`);
  }
  return Object.entries(manifest.inputs).map(([name, input]) => {
    const port = inputs.find((candidate) => candidate.name === name);
    if (port === undefined) throw invalid(`inputs: the model has no input "${name}"`);
    if (port.type !== 'float32')
      throw invalid(`inputs.${name}: the model takes ${port.type}, only float32 is fed`);
    const extents = input.kind === 'picture' ? [3, input.height, input.width] : [input.length];
    const tail = port.shape.slice(-extents.length);
    const lead = port.shape.slice(0, -extents.length);
    const fits =
      tail.length === extents.length &&
      tail.every((extent, i) => typeof extent === 'string' || extent < 0 || extent === extents[i]) &&
      lead.every((extent) => typeof extent === 'string' || extent < 0 || extent === 1);
    if (!fits)
      throw invalid(
        `inputs.${name}: the model takes [${port.shape.join(', ')}], not [1, ${extents.join(', ')}]`,
      );
    return { name, rank: port.shape.length, input };
  });
}
