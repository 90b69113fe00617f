import { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import type { LeRobotFeature, ObservationValue, RemotePolicyConfig, TimedObservation } from './messages.ts';
import { isWireArray, type WireArray } from './wire-array.ts';

/** Attributes by LeRobot's names, as either codec found them. */
export type Attributes = Readonly<Record<string, unknown>>;

const MAX_FEATURES = 256;
const MAX_KEYS = 4096;
const MAX_NAME = 256;
/** A hundred years of frames. */
const MAX_TIMESTEP = 2 ** 48;

const name = z.string().min(1).max(MAX_NAME);
const shape = z.array(z.int().positive().max(65_536)).max(8);

const featureSchema = z.looseObject({
  dtype: z.string().max(32).optional(),
  /** `PolicyFeature` has a type in place of the dtype. */
  type: z.string().max(32).optional(),
  shape,
  names: z.array(name).max(MAX_KEYS).nullish().catch(undefined),
});

const configSchema = z.looseObject({
  policy_type: z.string().max(64),
  pretrained_name_or_path: z.string().max(4096),
  lerobot_features: z.record(name, featureSchema),
  actions_per_chunk: z.int().positive().max(10_000),
  device: z.string().max(64).default('cpu'),
  rename_map: z.record(name, name).nullish(),
});

const observationSchema = z.looseObject({
  timestamp: z.number(),
  timestep: z.int().min(-MAX_TIMESTEP).max(MAX_TIMESTEP),
  must_go: z.boolean().default(false),
});

const rowSchema = z.looseObject({
  timestamp: z.number(),
  timestep: z.int().min(-MAX_TIMESTEP).max(MAX_TIMESTEP),
});

const invalid = (detail: string) => new MyelinError('MESSAGE_INVALID', { detail });

/** @throws MyelinError MESSAGE_INVALID */
export function checked<T>(what: string, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(`${what}: ${issue?.path.join('.') || 'the whole'}: ${issue?.message ?? 'not valid'}`);
}

/** @throws MyelinError MESSAGE_INVALID */
export function policyConfig(attributes: Attributes): RemotePolicyConfig {
  const config = checked('RemotePolicyConfig', configSchema, attributes);
  const features = Object.entries(config.lerobot_features);
  if (features.length > MAX_FEATURES) throw invalid(`RemotePolicyConfig: ${features.length} features`);
  return {
    policyType: config.policy_type,
    pretrainedNameOrPath: config.pretrained_name_or_path,
    features: new Map(
      features.map(([key, feature]): [string, LeRobotFeature] => [
        key,
        {
          dtype: feature.dtype ?? (feature.type === 'VISUAL' ? 'image' : 'float32'),
          shape: feature.shape,
          names: feature.names ?? undefined,
        },
      ]),
    ),
    actionsPerChunk: config.actions_per_chunk,
    device: config.device,
    renameMap: new Map(Object.entries(config.rename_map ?? {})),
  };
}

/** The same configuration by LeRobot's names, as plain JSON. */
export const policyConfigAttributes = (config: RemotePolicyConfig): Attributes => ({
  policy_type: config.policyType,
  pretrained_name_or_path: config.pretrainedNameOrPath,
  lerobot_features: Object.fromEntries(config.features),
  actions_per_chunk: config.actionsPerChunk,
  device: config.device,
  rename_map: Object.fromEntries(config.renameMap),
});

/** @throws MyelinError MESSAGE_INVALID */
export function timedObservation(
  attributes: Attributes,
  values: Iterable<readonly [unknown, unknown]>,
): TimedObservation {
  const { timestamp, timestep, must_go: mustGo } = checked('TimedObservation', observationSchema, attributes);
  const kept = new Map<string, ObservationValue>();
  for (const [key, value] of values) {
    if (typeof key !== 'string') throw invalid('TimedObservation: a key is not a text');
    const known = observationValue(value);
    if (known !== undefined) kept.set(key, known);
    if (kept.size > MAX_KEYS) throw invalid(`TimedObservation: more than ${MAX_KEYS} values`);
  }
  return { timestampS: timestamp, timestep, mustGo, values: kept };
}

function observationValue(value: unknown): ObservationValue | undefined {
  if (typeof value === 'number' || typeof value === 'string') return value;
  if (typeof value === 'bigint' || typeof value === 'boolean') return Number(value);
  if (isWireArray(value)) return value;
  if (!(value instanceof Map)) return undefined;
  const arrays = [...value].filter(
    (entry): entry is [string, WireArray] => typeof entry[0] === 'string' && isWireArray(entry[1]),
  );
  return arrays.length === value.size ? new Map(arrays) : undefined;
}

/** @throws MyelinError MESSAGE_INVALID */
export function actionRow(attributes: Attributes): { timestampS: number; timestep: number } {
  const { timestamp, timestep } = checked('TimedAction', rowSchema, attributes);
  return { timestampS: timestamp, timestep };
}
