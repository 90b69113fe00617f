import type { ModelKind, TensorShapes } from '../models/kind.ts';
import { isLegacyBuffer } from '../processors/legacy.ts';
import type { StridedEntry } from '../torch-file/torch-file.ts';

/** What frameworks put before the names of a policy's tensors, or leave out; LeRobot's own first. */
const PREFIXES = ['model.', 'diffusion.', '', 'policy.'];

export interface MatchedTensors {
  /** By the names LeRobot gives them. */
  readonly tensors: ReadonlyMap<string, StridedEntry>;
  /** Names, as found, of those that a policy of this type has no use for. */
  readonly unused: readonly string[];
}

/**
 * Gives tensors the names LeRobot uses: of the prefixes that may have been added or left out, the one under which most
 * are what the configuration asks for.
 */
export function matchNames<Config>(
  found: ReadonlyMap<string, StridedEntry>,
  kind: ModelKind<Config>,
  config: Config,
  configFile: string,
): MatchedTensors {
  const candidates = PREFIXES.flatMap((prefix) => [
    (name: string) => `${prefix}${name}`,
    (name: string) => (name.startsWith(prefix) ? name.slice(prefix.length) : name),
  ]).map((rename) => matchUnder(rename, found, kind, config, configFile));
  return candidates.reduce((best, each) => (each.tensors.size > best.tensors.size ? each : best));
}

function matchUnder<Config>(
  rename: (name: string) => string,
  found: ReadonlyMap<string, StridedEntry>,
  kind: ModelKind<Config>,
  config: Config,
  configFile: string,
): MatchedTensors {
  const named = [...found].map(([old, entry]) => {
    const name = isLegacyBuffer(old) ? old : rename(old);
    return { old, name, entry: { ...entry, name } };
  });
  const shapes: TensorShapes = new Map(named.map(({ name, entry }) => [name, entry.shape]));
  const needed = kind.tensors(config, configFile, shapes);
  const training = kind.trainingTensors(config, configFile, shapes);
  const used = named.filter(({ name }) => needed.has(name) || training.has(name) || isLegacyBuffer(name));
  const unused = named.filter((each) => !used.includes(each)).map(({ old }) => old);
  return { tensors: new Map(used.map(({ name, entry }) => [name, entry])), unused };
}
