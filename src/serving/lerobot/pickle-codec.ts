import { MyelinError } from '../../core/errors.ts';
import { type Builder, type PickleLimits, PickleRefusal } from '../../policies/pickle/allow-list.ts';
import { PickledRecord, recordBuilder } from '../../policies/pickle/containers.ts';
import { NUMPY } from '../../policies/pickle/numpy.ts';
import { TORCH } from '../../policies/pickle/torch.ts';
import { loadFromBytes } from '../../policies/pickle/torch-legacy.ts';
import { unpickle } from '../../policies/pickle/unpickle.ts';
import { elementCount } from '../../policies/safetensors.ts';
import { actionRow, policyConfig, timedObservation } from './fields.ts';
import type {
  LeRobotCodec,
  ObservationValue,
  RemotePolicyConfig,
  TimedActions,
  TimedObservation,
} from './messages.ts';
import { PickleWriter, type PythonName } from './pickle-writer.ts';
import { MAX_OBSERVATION_BYTES } from './transfer.ts';
import { CopyBudget, isWireArray, numbersOf, type WireArray, wireArrayOf } from './wire-array.ts';

/** Where the dataclasses live today, and where they lived until version 0.3. */
const MODULES = ['lerobot.async_inference.helpers', 'lerobot.scripts.server.helpers'];
const [HELPERS = ''] = MODULES;
const CLASSES = ['RemotePolicyConfig', 'TimedObservation', 'TimedAction'];
const FEATURE = 'PolicyFeature';

/** An enumeration's member is its value. */
const featureType: Builder = {
  make: ([value, ...rest]) => {
    if (typeof value !== 'string' || rest.length > 0) throw new PickleRefusal('a feature type is not a text');
    return value;
  },
};

const TENSORS = [
  'collections.OrderedDict',
  '_codecs.encode',
  'builtins.bytearray',
  '__builtin__.bytearray',
  'torch._utils._rebuild_tensor',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_parameter',
];

/** The only names a message may mention. */
export const LEROBOT_NAMES: ReadonlyMap<string, Builder> = new Map<string, Builder>([
  ...MODULES.flatMap((module) => CLASSES.map((name) => [`${module}.${name}`, recordBuilder(name)] as const)),
  [`lerobot.configs.types.${FEATURE}`, recordBuilder(FEATURE)],
  ['lerobot.configs.types.FeatureType', featureType],
  ['torch.storage._load_from_bytes', loadFromBytes],
  ...NUMPY,
  ...[...TORCH].filter(([name]) => TENSORS.includes(name)),
]);

/** An observation of a hundred motors and ten cameras takes a few thousand operations, a chunk some forty a row. */
const LIMITS: PickleLimits = {
  bytes: MAX_OBSERVATION_BYTES,
  depth: 16,
  elements: 200_000,
  operations: 400_000,
  memo: 100_000,
};

/** Numbers of a chunk, all rows together, as float64: rows may be views of one storage, which is sent once. */
const MAX_ACTION_BYTES = 64 * 1024 * 1024;

/** LeRobot's messages as Python pickles, read by an allow-listing machine that runs nothing. */
export const pickleCodec: LeRobotCodec = {
  name: 'pickle',
  readPolicyConfig: (bytes) => policyConfig(plain(record(load(bytes), 'RemotePolicyConfig').fields)),
  readObservation: (bytes) => {
    const { fields } = record(load(bytes), 'TimedObservation');
    const observation = fields.get('observation');
    if (!(observation instanceof Map)) throw invalid('TimedObservation: observation is not a dictionary');
    const budget = new CopyBudget(MAX_OBSERVATION_BYTES);
    const values = [...observation].map(([key, value]) => [key, readable(value, budget)] as const);
    return timedObservation(Object.fromEntries(fields), values);
  },
  readActions,
  writePolicyConfig,
  writeObservation,
  writeActions,
};

function load(bytes: Uint8Array): unknown {
  try {
    return unpickle(bytes, { allow: LEROBOT_NAMES, limits: LIMITS });
  } catch (thrown) {
    // A storage inside a message has the format of a checkpoint's file, and its words for what is wrong.
    if (!(thrown instanceof MyelinError && thrown.code === 'CHECKPOINT_INVALID')) throw thrown;
    throw invalid(`a tensor: ${thrown.parameters.detail}`);
  }
}

const invalid = (detail: string) => new MyelinError('MESSAGE_INVALID', { detail });

function record(value: unknown, className: string): PickledRecord {
  if (value instanceof PickledRecord && value.className === className) return value;
  throw invalid(`it is not a ${className}`);
}

/** Dictionaries with text keys as objects, all the way down; `PolicyFeature` reads like one. */
function plain(value: unknown): Record<string, unknown> {
  const convert = (inner: unknown): unknown => {
    if (inner instanceof PickledRecord && inner.className === FEATURE) return plain(inner.fields);
    return inner instanceof Map ? plain(inner) : inner;
  };
  if (!(value instanceof Map)) throw invalid('a dictionary is something else');
  return Object.fromEntries([...value].map(([key, inner]) => [String(key), convert(inner)]));
}

/** Arrays and tensors as wire arrays, one level into dictionaries. */
function readable(value: unknown, budget: CopyBudget): unknown {
  if (!(value instanceof Map)) return wireArrayOf(value, budget) ?? value;
  return new Map([...value].map(([key, inner]) => [key, wireArrayOf(inner, budget) ?? inner]));
}

function readActions(bytes: Uint8Array): TimedActions {
  const list = load(bytes);
  if (!Array.isArray(list) || list.length === 0) throw invalid('it is not a list of actions');
  const rows: { timestampS: number; timestep: number }[] = [];
  let actions = new Float32Array(0);
  let dof = 0;
  const budget = new CopyBudget(MAX_ACTION_BYTES);
  for (const each of list) {
    const { fields } = record(each, 'TimedAction');
    const array = wireArrayOf(fields.get('action'), budget);
    if (array === undefined) throw invalid('TimedAction: action is not a tensor');
    budget.take(8 * elementCount(array.shape));
    const numbers = numbersOf(array);
    if (rows.length === 0) {
      dof = numbers.length;
      budget.take(4 * dof * list.length);
      actions = new Float32Array(dof * list.length);
    }
    if (numbers.length !== dof || dof === 0)
      throw invalid(`actions of ${dof} and of ${numbers.length} numbers in one chunk`);
    actions.set(numbers, dof * rows.length);
    rows.push(actionRow(Object.fromEntries(fields)));
  }
  return { actions, dof, rows };
}

const NAMES = {
  action: { module: HELPERS, name: 'TimedAction' },
  observation: { module: HELPERS, name: 'TimedObservation' },
  config: { module: HELPERS, name: 'RemotePolicyConfig' },
  rebuild: { module: 'torch._utils', name: '_rebuild_tensor_v2' },
  load: { module: 'torch.storage', name: '_load_from_bytes' },
  orderedDict: { module: 'collections', name: 'OrderedDict' },
  ndarray: { module: 'numpy', name: 'ndarray' },
} satisfies Record<string, PythonName>;

/** Magic number, protocol and machine of PyTorch's old format: the same bytes in every version. */
const BLOB_HEAD = Buffer.from(
  '80028a0a6cfc9c46f9206aa850192e80024de9032e80027d28581000000070726f746f636f6c5f76657273696f6e4de90358' +
    '0d0000006c6974746c655f656e6469616e88580a000000747970655f73697a65737d28580500000073686f72744b0258030000' +
    '00696e744b0458040000006c6f6e674b0475752e',
  'hex',
);
/** The list of storages: one, called "0". */
const BLOB_KEYS = Buffer.from('80025d580100000030612e', 'hex');
/** A reference to the storage "0" on the CPU, up to its length. */
const BLOB_ID = Buffer.from(
  `800228580700000073746f72616765${Buffer.from('ctorch\nFloatStorage\n').toString('hex')}5801000000305803000000637075`,
  'hex',
);
const BLOB_ID_END = Buffer.from('4e74512e', 'hex');

/** A storage of floats as `torch.save` of old writes it. */
export function storageBlob(values: Float32Array): Buffer {
  const count = Buffer.alloc(8);
  count.writeBigInt64LE(BigInt(values.length));
  const data = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  return Buffer.concat([
    BLOB_HEAD,
    BLOB_ID,
    integerOpcode(values.length),
    BLOB_ID_END,
    BLOB_KEYS,
    count,
    data,
  ]);
}

/** An integer opcode without a pickle around it. */
function integerOpcode(value: number): Uint8Array {
  return new PickleWriter().integer(value).finish().subarray(2, -1);
}

/**
 * Actions whose rows are views of one storage: the names a stock server writes, and a fifteenth of its bytes, since
 * the storage is written once and not with every row.
 */
function writeActions({ actions, dof, rows }: TimedActions): Uint8Array {
  const writer = new PickleWriter();
  const [CLASS, STORAGE, REBUILD, HOOKS] = [0, 1, 2, 3];
  writer.list(() => {
    for (const [row, { timestampS, timestep }] of rows.entries()) {
      writer.object(
        () => writer.global(NAMES.action, CLASS),
        () => {
          writer.text('timestamp').float(timestampS).text('timestep').integer(timestep).text('action');
          const storage = () =>
            writer.shared(STORAGE, 'storage', () =>
              writer.call(
                () => writer.global(NAMES.load),
                1,
                () => writer.bytes(storageBlob(actions)),
              ),
            );
          writer.call(
            () => writer.global(NAMES.rebuild, REBUILD),
            6,
            () => {
              storage();
              writer.integer(row * dof);
              writer.tuple(1, () => writer.integer(dof)).tuple(1, () => writer.integer(1));
              writer.boolean(false);
              writer.call(
                () => writer.global(NAMES.orderedDict, HOOKS),
                0,
                () => undefined,
              );
            },
          );
        },
      );
    }
  });
  return writer.finish();
}

const NUMPY_TYPES: Readonly<Record<string, string>> = { U8: '|u1', U16: '<u2', F32: '<f4', F64: '<f8' };

function writeArray(writer: PickleWriter, { type, shape, bytes }: WireArray): void {
  const dtype = NUMPY_TYPES[type];
  if (dtype === undefined) throw invalid(`arrays of ${type} are not written`);
  writer.call(
    () => writer.global(NAMES.ndarray, 0),
    3,
    () => {
      writer.tuple(shape.length, () => {
        for (const extent of shape) writer.integer(extent);
      });
      writer.text(dtype).bytes(bytes);
    },
  );
}

function writeValue(writer: PickleWriter, value: ObservationValue): void {
  if (typeof value === 'number') writer.float(value);
  else if (typeof value === 'string') writer.text(value);
  else if (isWireArray(value)) writeArray(writer, value);
  else {
    writer.dict(() => {
      for (const [key, array] of value) writeArray(writer.text(key), array);
    });
  }
}

function writeObservation({ timestampS, timestep, mustGo, values }: TimedObservation): Uint8Array {
  const writer = new PickleWriter();
  writer.object(
    () => writer.global(NAMES.observation),
    () => {
      writer.text('timestamp').float(timestampS).text('timestep').integer(timestep).text('observation');
      writer.dict(() => {
        for (const [key, value] of values) writeValue(writer.text(key), value);
      });
      writer.text('must_go').boolean(mustGo);
    },
  );
  return writer.finish();
}

function writePolicyConfig(config: RemotePolicyConfig): Uint8Array {
  const writer = new PickleWriter();
  writer.object(
    () => writer.global(NAMES.config),
    () => {
      writer.text('policy_type').text(config.policyType);
      writer.text('pretrained_name_or_path').text(config.pretrainedNameOrPath);
      writer.text('lerobot_features').dict(() => {
        for (const [name, { dtype, shape, names }] of config.features) {
          writer.text(name).dict(() => {
            writer.text('dtype').text(dtype).text('shape');
            writer.tuple(shape.length, () => {
              for (const extent of shape) writer.integer(extent);
            });
            writer.text('names').list(() => {
              for (const each of names ?? []) writer.text(each);
            });
          });
        }
      });
      writer.text('actions_per_chunk').integer(config.actionsPerChunk).text('device').text(config.device);
      writer.text('rename_map').dict(() => {
        for (const [from, to] of config.renameMap) writer.text(from).text(to);
      });
    },
  );
  return writer.finish();
}
