/**
 * Which files of a repository a checkpoint consists of, small ones first: when the weights are there, so is
 * everything else. Training state, other formats' weights, pictures and papers are left out.
 */
export function checkpointFiles(names: readonly string[]): readonly string[] {
  const single = names.includes('model.safetensors');
  const wanted = names.filter((name) => SMALL.some((pattern) => pattern.test(name)));
  const weights = names.filter((name) =>
    single ? /^(adapter_)?model\.safetensors$/.test(name) : WEIGHTS.test(name),
  );
  return [...wanted.sort(), ...weights.sort(byImportance)];
}

const SMALL = [
  /^(config|adapter_config)\.json$/,
  /^policy_(pre|post)processor(_\w+)?\.(json|safetensors)$/,
  /^(tokenizer\/)?(tokenizer|tokenizer_config|special_tokens_map|added_tokens)\.json$/,
];
const WEIGHTS = /^(adapter_model|model-\d+-of-\d+)\.safetensors$|^model\.safetensors\.index\.json$/;

/** The index of several files comes after them, as it stands for all of them being there. */
const byImportance = (a: string, b: string): number =>
  Number(a.endsWith('.json')) - Number(b.endsWith('.json')) || a.localeCompare(b);

/** What a tokenizer consists of. */
export const tokenizerFiles = (names: readonly string[]): readonly string[] =>
  names.filter((name) => /^(tokenizer|tokenizer_config|special_tokens_map|added_tokens)\.json$/.test(name));
