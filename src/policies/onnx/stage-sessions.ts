import type { InferenceSession } from 'onnxruntime-node';
import { type Device, executionProviders } from './device.ts';
import type { ModelStage, Port, StagePorts, WorkerSettings } from './session-protocol.ts';

export type Runtime = typeof import('onnxruntime-node');

/** A stage that could not be loaded; the message is the runtime's. */
export class StageFailure extends Error {
  readonly stage: string;

  constructor(stage: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.stage = stage;
  }
}

/** A model's stages on one device, each a session of the runtime. */
export class StageSessions {
  /** Milliseconds each stage took to load, but for those left for later. */
  readonly loadMs: Readonly<Record<string, number>>;
  readonly ports: Readonly<Record<string, StagePorts>>;
  readonly #runtime: Runtime;
  readonly #settings: WorkerSettings;
  readonly #device: Device;
  readonly #sessions: Map<string, Promise<InferenceSession>>;

  private constructor(
    runtime: Runtime,
    settings: WorkerSettings,
    device: Device,
    sessions: Map<string, InferenceSession>,
    loadMs: Readonly<Record<string, number>>,
  ) {
    this.#runtime = runtime;
    this.#settings = settings;
    this.#device = device;
    this.#sessions = new Map([...sessions].map(([name, session]) => [name, Promise.resolve(session)]));
    this.loadMs = loadMs;
    this.ports = Object.fromEntries(
      [...sessions].map(([name, { inputMetadata, outputMetadata }]) => [
        name,
        { inputs: inputMetadata.map(describePort), outputs: outputMetadata.map(describePort) },
      ]),
    );
  }

  /**
   * Loads the stages one after the other, so that no two are being prepared at once.
   * @throws StageFailure; nothing stays loaded then
   */
  static async load(runtime: Runtime, settings: WorkerSettings, device: Device): Promise<StageSessions> {
    const sessions = new Map<string, InferenceSession>();
    const loadMs: Record<string, number> = {};
    try {
      for (const stage of settings.stages) {
        if (stage.lazy) continue;
        const started = performance.now();
        sessions.set(stage.name, await create(runtime, settings, device, stage));
        loadMs[stage.name] = performance.now() - started;
      }
    } catch (thrown) {
      for (const session of sessions.values()) await session.release();
      throw thrown;
    }
    return new StageSessions(runtime, settings, device, sessions, loadMs);
  }

  /** A stage's session, loaded now if it was left for later. */
  session(name: string): Promise<InferenceSession> {
    const known = this.#sessions.get(name);
    if (known !== undefined) return known;
    const stage = this.#settings.stages.find((each) => each.name === name);
    if (stage === undefined) return Promise.reject(new Error(`there is no stage "${name}"`));
    const session = create(this.#runtime, this.#settings, this.#device, stage);
    this.#sessions.set(name, session);
    // What failed is tried again when it is asked for again.
    session.catch(() => this.#sessions.delete(name));
    return session;
  }
}

async function create(
  runtime: Runtime,
  settings: WorkerSettings,
  device: Device,
  stage: ModelStage,
): Promise<InferenceSession> {
  try {
    // Bytes or a path: two overloads of one function.
    return await runtime.InferenceSession.create(stage.model as string, options(settings, device, stage));
  } catch (cause) {
    throw new StageFailure(stage.name, cause);
  }
}

function options(
  settings: WorkerSettings,
  device: Device,
  { model, lean = false }: ModelStage,
): InferenceSession.SessionOptions {
  return {
    executionProviders: executionProviders(device),
    enableCpuMemArena: !lean,
    intraOpNumThreads: settings.threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: {
      session: {
        // Idle threads sleep instead of spinning: a control loop shares these cores.
        intra_op: { allow_spinning: '0' },
        // A model in a file finds its data beside it.
        ...(typeof model === 'string' ? {} : { model_external_initializers_file_folder_path: settings.root }),
        ...(lean ? { disable_prepacking: '1' } : {}),
      },
      // Widening weights once would hold a second copy of them.
      ...(lean ? { optimization: { disable_specified_optimizers: 'ConstantFolding' } } : {}),
    },
  };
}

function describePort(metadata: InferenceSession.ValueMetadata): Port {
  if (!metadata.isTensor) return { name: metadata.name, type: 'not a tensor', shape: [] };
  return { name: metadata.name, type: metadata.type, shape: metadata.shape };
}
