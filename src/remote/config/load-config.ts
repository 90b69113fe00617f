import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { z } from 'zod';
import { MyelinError } from '../../core/errors.ts';
import {
  type Config,
  environmentName,
  flagName,
  optionName,
  SETTING_KEYS,
  SETTINGS,
  type SettingKey,
} from './settings.ts';

export interface ConfigSources {
  /** Options of the command line by commander's names; texts, and true for switches. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly environment?: NodeJS.ProcessEnv;
  /** Configuration file. Default: `$MYELIN_CONFIG`, else `./config.yaml` if there is one. */
  readonly file?: string | undefined;
}

const DEFAULT_FILE = 'config.yaml';

/**
 * Reads flags, then the environment, then the file, then defaults: the first that says something about a key decides.
 * @throws MyelinError CONFIG_INVALID, INVALID_ARGUMENT: each names the key, its value and what is allowed;
 *   FILE_NOT_FOUND for a file that was named
 */
export function loadConfig({ flags = {}, environment = {}, file }: ConfigSources): Config {
  const named = file ?? environment.MYELIN_CONFIG;
  const path = named ?? (existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined);
  const fromFile = path === undefined ? new Map<string, unknown>() : readFile(path);
  const config: Record<string, unknown> = {};
  for (const key of SETTING_KEYS) {
    const flag = flags[optionName(key)];
    const [variable, set] = fromEnvironment(key, environment);
    if (flag !== undefined) config[key] = check(key, fromText(key, flag), flagFault(flagName(key)));
    else if (set !== undefined) config[key] = check(key, fromText(key, set), flagFault(variable));
    else config[key] = check(key, fromFile.get(key), fileFault(path ?? DEFAULT_FILE, key));
  }
  return config as Config;
}

/** `LOG_LEVEL` is what everybody else calls it. */
function fromEnvironment(key: SettingKey, environment: NodeJS.ProcessEnv): [string, string | undefined] {
  const name = environmentName(key);
  const value = environment[name];
  if (key === 'log.level' && (value ?? '') === '') return ['LOG_LEVEL', environment.LOG_LEVEL || undefined];
  return [name, value === '' ? undefined : value];
}

type Fault = (value: unknown, allowed: string) => MyelinError;

const shown = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
};
const flagFault =
  (name: string): Fault =>
  (value, allowed) =>
    new MyelinError('INVALID_ARGUMENT', { name, value: shown(value), allowed });
const fileFault =
  (file: string, key: string): Fault =>
  (value, allowed) =>
    new MyelinError('CONFIG_INVALID', { file, detail: `${key} is ${shown(value)}, but must be ${allowed}` });

function check(key: SettingKey, value: unknown, fault: Fault): unknown {
  const schema: z.ZodType = SETTINGS[key].schema;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw fault(value, parsed.error.issues[0]?.message ?? 'something else');
}

function fromText(key: SettingKey, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  switch (SETTINGS[key].kind) {
    case 'number':
      return value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : value;
    case 'switch':
      return ['true', '1', 'yes', 'on'].includes(value.toLowerCase())
        ? true
        : ['false', '0', 'no', 'off'].includes(value.toLowerCase())
          ? false
          : value;
    case 'list':
      return value
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
    default:
      return value;
  }
}

/** The keys of a file, `section.key`; unknown ones are refused, since a misspelt key would be silently ignored. */
function readFile(file: string): Map<string, unknown> {
  let content: unknown;
  try {
    content = parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')
      throw new MyelinError('FILE_NOT_FOUND', { file }, { cause });
    const [detail] = (cause instanceof Error ? cause.message : String(cause)).split('\n');
    throw new MyelinError('CONFIG_INVALID', { file, detail: detail ?? 'it is not YAML' }, { cause });
  }
  const found = new Map<string, unknown>();
  const isSection = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const put = (key: string, value: unknown) => {
    if (!SETTING_KEYS.includes(key as SettingKey)) {
      const allowed = SETTING_KEYS.join(', ');
      throw new MyelinError('CONFIG_INVALID', {
        file,
        detail: `${key} is not a key. The keys are: ${allowed}`,
      });
    }
    found.set(key, value ?? undefined);
  };
  if (content === null || content === undefined) return found;
  if (!isSection(content)) throw new MyelinError('CONFIG_INVALID', { file, detail: 'it holds no keys' });
  for (const [section, values] of Object.entries(content)) {
    if (isSection(values)) for (const [key, value] of Object.entries(values)) put(`${section}.${key}`, value);
    else if (values !== null || SETTING_KEYS.includes(section as SettingKey)) put(section, values);
  }
  return found;
}
