import { loadConfig } from './load-config.ts';
import {
  type Config,
  environmentName,
  flagName,
  SETTING_KEYS,
  SETTINGS,
  type SettingKey,
} from './settings.ts';

const cell = (value: Config[SettingKey]): string => {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return '';
  return `\`${String(value)}\``;
};

/** `docs/configuration.md`, from the one table of settings. */
export function configPage(): string {
  const defaults = loadConfig({ file: '/dev/null' });
  const rows = SETTING_KEYS.map(
    (key) =>
      `| \`${key}\` | \`${flagName(key)}\` | \`${environmentName(key)}\` | ${cell(defaults[key])} | ${SETTINGS[key].doc} |`,
  );
  return `# Configuration of gateway and worker

<!-- Generated from src/remote/config/settings.ts by "node tools/generate-config.mjs": do not edit. -->

\`config.yaml\` in the folder a command runs in is read if it is there; \`--config FILE\` or \`MYELIN_CONFIG\` names another.
A flag outranks an environment variable, which outranks the file, which outranks the default. A key that is not known,
or a value that is not allowed, ends the start with the key, the value and what is allowed.

\`\`\`yaml
websocket:
  host: "127.0.0.1"
  port: 8000
  max_message_size: 104857600
worker:
  storage_dir: "./storage/projects"
  max_execution_time: 300
ipc:
  command_socket: "ipc:///tmp/robot-control-cmd.ipc"
  callback_socket: "ipc:///tmp/robot-control-callback.ipc"
\`\`\`

| key | flag | environment | default | what |
|---|---|---|---|---|
${rows.join('\n')}
`;
}
