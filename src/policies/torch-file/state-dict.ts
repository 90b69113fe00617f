import { MyelinError } from '../../core/errors.ts';
import { TorchTensor } from '../pickle/torch.ts';
import { openTorchFile, type StridedEntry } from './torch-file.ts';

/** The tensors of a model, as a training script saved them. */
export interface StateDict {
  /** Real path. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, StridedEntry>;
  /** Where in the file they were found: keys from the outside in. Empty when the file is the state dict itself. */
  readonly inside: readonly string[];
  /** Entries beside them that are not tensors. */
  readonly ignored: readonly string[];
}

/** Keys under which training scripts keep a model's tensors, in the order they are tried. */
const CONTAINERS = ['state_dict', 'model_state_dict', 'model', 'policy', 'module', 'params'];
/** What wrappers (data-parallel training, compilation) put before every name. */
const WRAPPERS = ['module.', '_orig_mod.'];

/**
 * Reads the state dict in a PyTorch file, alone or inside what a training script saved around it.
 *
 * @throws MyelinError as `openTorchFile`; CHECKPOINT_INVALID when there is none; TENSOR_INVALID
 */
export async function openStateDict(file: string): Promise<StateDict> {
  const { path, value, locate } = await openTorchFile(file);
  const { dict, inside } = findTensors(value, path);
  const tensors = new Map<string, StridedEntry>();
  const ignored: string[] = [];
  const visit = (part: ReadonlyMap<unknown, unknown>, prefix: string) => {
    for (const [key, each] of part) {
      const name = `${prefix}${String(key)}`;
      if (each instanceof TorchTensor) tensors.set(name, locate(name, each));
      else if (each instanceof Map) visit(each, `${name}.`);
      else ignored.push(name);
    }
  };
  visit(dict, '');
  return { path, tensors: unwrapped(tensors), inside, ignored };
}

const holdsTensors = (value: unknown): value is Dictionary =>
  value instanceof Map && [...value.values()].some((each) => each instanceof TorchTensor);

type Dictionary = ReadonlyMap<unknown, unknown>;

/** The dictionary in this one that the tensors are to be looked for in. */
function innerKey(dict: Dictionary): unknown {
  const known = CONTAINERS.find((key) => dict.get(key) instanceof Map);
  if (known !== undefined) return known;
  const [only, ...others] = [...dict].filter(([, each]) => holdsTensors(each));
  return others.length === 0 ? only?.[0] : undefined;
}

function findTensors(value: unknown, path: string): { dict: Dictionary; inside: string[] } {
  const inside: string[] = [];
  let dict = value;
  while (dict instanceof Map && !holdsTensors(dict)) {
    const key = innerKey(dict as Dictionary);
    if (key === undefined) break;
    inside.push(String(key));
    dict = (dict as Dictionary).get(key);
  }
  if (holdsTensors(dict)) return { dict, inside };
  const keys = value instanceof Map ? [...value.keys()].slice(0, 10).map(String).join(', ') : typeof value;
  const detail = `no state dict was found in it (it holds: ${keys})`;
  throw new MyelinError('CHECKPOINT_INVALID', { file: path, detail });
}

function unwrapped(tensors: ReadonlyMap<string, StridedEntry>): ReadonlyMap<string, StridedEntry> {
  const wrapper = WRAPPERS.find((prefix) => [...tensors.keys()].every((name) => name.startsWith(prefix)));
  if (wrapper === undefined) return tensors;
  const bare = [...tensors].map(([name, entry]) => {
    const inner = name.slice(wrapper.length);
    return [inner, { ...entry, name: inner }] as const;
  });
  return unwrapped(new Map(bare));
}
