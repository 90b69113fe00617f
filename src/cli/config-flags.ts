import { type Command, Option } from 'commander';
import { loadConfig } from '../remote/config/load-config.ts';
import {
  type Config,
  environmentName,
  SETTING_KEYS,
  SETTINGS,
  type SettingKey,
} from '../remote/config/settings.ts';

/** Adds `--config` and the flags of these keys (all, when left out). */
export function addConfigFlags(command: Command, keys: readonly SettingKey[] = SETTING_KEYS): Command {
  command.option('--config <file>', 'configuration file. Default: ./config.yaml if there is one');
  for (const key of keys) {
    const { flag, doc } = SETTINGS[key];
    command.addOption(new Option(flag, `${doc} (${environmentName(key)})`));
  }
  return command;
}

/** @throws MyelinError CONFIG_INVALID, INVALID_ARGUMENT, FILE_NOT_FOUND */
export function configOf(options: Readonly<Record<string, unknown>>): Config {
  const file = typeof options.config === 'string' ? options.config : undefined;
  return loadConfig({ flags: options, environment: process.env, file });
}
