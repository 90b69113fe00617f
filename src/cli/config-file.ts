import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, type Option } from 'commander';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { MyelinError } from '../core/errors.ts';

const FLAG = 'config';

/**
 * Adds `--config <file>`: a YAML file whose keys are the command's options without their dashes, with dashes or
 * underscores inside. Values are checked by the options' own readers; the command line, then the environment, win.
 */
export function addConfigFlag(command: Command): Command {
  return command
    .option(`--${FLAG} <file>`, 'read options from a YAML file; the command line wins')
    .hook('preAction', (_, running) => {
      const file: unknown = running.opts()[FLAG];
      if (typeof file !== 'string') return;
      try {
        applyConfig(running, readConfigFile(file), file);
      } catch (error) {
        if (!(error instanceof MyelinError)) throw error;
        running.error(`error: ${error.message}\n  hint: ${error.hint}`, { exitCode: 2 });
      }
    });
}

/** Scalars are text as on the command line, so that a token of digits stays what it is. */
const content = z.record(z.string(), z.unknown(), { error: 'it must be a list of "key: value" lines' });

/**
 * The keys and values of a YAML file, all scalars as text.
 * @throws MyelinError FILE_NOT_FOUND, CONFIG_INVALID
 */
export function readConfigFile(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
  }
  return parseConfig(text, file);
}

/**
 * @param file what to call it in an error
 * @throws MyelinError CONFIG_INVALID
 */
export function parseConfig(text: string, file: string): Record<string, unknown> {
  const document = parseDocument(text, { schema: 'failsafe', uniqueKeys: true, logLevel: 'silent' });
  // A warning is about a tag or directive that means nothing here.
  const [fault] = [...document.errors, ...document.warnings];
  if (fault !== undefined) throw invalid(file, fault.message.split('\n')[0] ?? '', fault);
  let found: unknown;
  try {
    found = document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw invalid(file, (cause as Error).message, cause);
  }
  // A file with nothing but comments sets nothing.
  const checked = content.safeParse(found === null || found === '' ? {} : found);
  if (checked.success) return checked.data;
  throw invalid(file, String(checked.error.issues[0]?.message));
}

/**
 * Sets the command's options as the file says, but for those that were given.
 * @throws MyelinError CONFIG_INVALID with the key, its value and what is allowed
 */
export function applyConfig(
  command: Command,
  settings: Readonly<Record<string, unknown>>,
  file: string,
): void {
  for (const [key, value] of Object.entries(settings)) {
    const option = optionOf(command, key);
    if (option === undefined) {
      throw invalid(file, `there is no key "${key}"; the keys are ${keysOf(command).join(', ')}`);
    }
    const read = readValue(option, key, value, file);
    const source = command.getOptionValueSource(option.attributeName());
    if (source === 'cli' || source === 'env') continue;
    command.setOptionValueWithSource(option.attributeName(), read, FLAG);
  }
}

/** `--chunk-size-threshold` is `chunk_size_threshold`, and `--no-display` is `display`. */
const keyOf = ({ long }: Option): string => (long ?? '').replace(/^--(no-)?/, '').replaceAll('-', '_');

const keysOf = (command: Command): string[] =>
  command.options.filter((option) => !option.hidden && keyOf(option) !== FLAG).map(keyOf);

const optionOf = (command: Command, key: string): Option | undefined =>
  command.options.find((option) => {
    const own = keyOf(option);
    return own === key.replaceAll('-', '_') && own !== FLAG && own !== '';
  });

function readValue(option: Option, key: string, value: unknown, file: string): unknown {
  const wrong = (allowed: string) => {
    // What is secret is not repeated.
    const shown = /token|password|secret/.test(key) ? '(hidden)' : JSON.stringify(value);
    return invalid(file, `${key} is ${shown}, but ${allowed}`);
  };
  const truth = typeof value === 'string' ? TRUTHS.get(value.toLowerCase()) : undefined;
  if (!option.required && (option.negate || !option.optional)) {
    if (truth === undefined) throw wrong('must be true or false');
    return truth;
  }
  if (option.optional && truth !== undefined) return truth;
  const texts = textsOf(value);
  if (texts === undefined) throw wrong('must be text, a number, or a list or map of them');
  if (texts.length !== 1 || typeof value !== 'string') {
    if (!isRepeatable(option)) throw wrong('must be one value');
  }
  if (texts.some((text) => text === '') && !isRepeatable(option) && option.defaultValue !== '')
    throw wrong('must not be empty');
  let read: unknown = option.defaultValue;
  for (const text of texts) {
    try {
      read = option.parseArg === undefined ? text : option.parseArg(text, read as never);
    } catch (thrown) {
      if (!(thrown instanceof InvalidArgumentError)) throw thrown;
      throw wrong(thrown.message.replace(/^./, (letter) => letter.toLowerCase()).replace(/\.$/, ''));
    }
  }
  return read;
}

const TRUTHS = new Map([
  ['true', true],
  ['false', false],
]);

/** The same as it would stand on the command line, once or several times: a map is `key=value` each. */
function textsOf(value: unknown): string[] | undefined {
  if (typeof value === 'string') return [value];
  const list = z.array(z.string()).safeParse(value);
  if (list.success) return list.data;
  const map = z.record(z.string(), z.string()).safeParse(value);
  return map.success ? Object.entries(map.data).map(([name, text]) => `${name}=${text}`) : undefined;
}

/** Options that may be given several times start from an empty collection. */
function isRepeatable({ defaultValue: standard }: Option): boolean {
  if (Array.isArray(standard)) return standard.length === 0;
  if (standard instanceof Map) return standard.size === 0;
  return typeof standard === 'object' && standard !== null && Object.keys(standard).length === 0;
}

const invalid = (file: string, detail: string, cause?: unknown): MyelinError =>
  new MyelinError('CONFIG_INVALID', { file, detail }, { cause });
