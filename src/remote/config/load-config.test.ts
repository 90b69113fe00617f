import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../platform/entry.ts';
import { configPage } from './config-page.ts';
import { loadConfig } from './load-config.ts';
import { systemPaths } from './paths.ts';
import { environmentName, flagName, optionName, SETTING_KEYS, SETTINGS } from './settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'myelin-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (text: string): string => {
  const path = join(folder, `config-${text.length}-${Math.abs(hash(text))}.yaml`);
  writeFileSync(path, text);
  return path;
};
const hash = (text: string): number =>
  [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, 7);

const SEED = `
websocket:
  host: "0.0.0.0"              # Socket.IO
  port: 8000
  max_message_size: 104857600
worker:
  storage_dir: "./storage/projects"
  max_execution_time: 300
ipc:
  command_socket: "ipc:///tmp/robot-control-cmd.ipc"
  callback_socket: "ipc:///tmp/robot-control-callback.ipc"
`;

describe('the configuration', () => {
  it('reads the documented file as it is', () => {
    expect(loadConfig({ file: file(SEED) })).toMatchObject({
      'websocket.host': '0.0.0.0',
      'websocket.port': 8000,
      'websocket.max_message_size': 104_857_600,
      'worker.storage_dir': './storage/projects',
      'worker.max_execution_time': 300,
      'ipc.command_socket': 'ipc:///tmp/robot-control-cmd.ipc',
      'ipc.callback_socket': 'ipc:///tmp/robot-control-callback.ipc',
    });
  });

  it('lets a flag outrank the environment, and that the file', () => {
    const sources = { file: file(SEED), environment: { MYELIN_WEBSOCKET_PORT: '8001' } };
    expect(loadConfig(sources)['websocket.port']).toBe(8001);
    expect(loadConfig({ ...sources, flags: { port: '8002' } })['websocket.port']).toBe(8002);
    expect(loadConfig({ file: file(SEED) })['websocket.port']).toBe(8000);
  });

  it.each([
    [
      'a file',
      { file: 'websocket: {port: 99999}' },
      'CONFIG_INVALID',
      /websocket\.port is 99999.*0 to 65535/,
    ],
    [
      'a flag',
      { flags: { port: 'eight' } },
      'INVALID_ARGUMENT',
      /--port is eight, but must be a whole number/,
    ],
    [
      'the environment',
      { environment: { MYELIN_WORKER_MAX_EXECUTION_TIME: '0' } },
      'INVALID_ARGUMENT',
      /MYELIN_WORKER_MAX_EXECUTION_TIME is 0, but must be a whole number from 1 to 86400 s/,
    ],
    [
      'a misspelt key',
      { file: 'websocket: {prot: 1}' },
      'CONFIG_INVALID',
      /websocket\.prot is not a key.*websocket\.port/,
    ],
    ['a misspelt section', { file: 'wbsocket: {port: 1}' }, 'CONFIG_INVALID', /wbsocket\.port is not a key/],
    ['a list in place of keys', { file: '- 1' }, 'CONFIG_INVALID', /no keys/],
    ['text that is not YAML', { file: 'a: [' }, 'CONFIG_INVALID', /config-/],
    [
      'an origin with a path',
      { flags: { allowOrigin: 'https://a.example/x' } },
      'INVALID_ARGUMENT',
      /list of origins/,
    ],
    [
      'a socket that is none',
      { flags: { commandSocket: 'tcp://0.0.0.0:1' } },
      'INVALID_ARGUMENT',
      /ipc:\/\//,
    ],
  ])('names key, value and what is allowed in %s', (_what, sources, code, message) => {
    const { file: text, ...rest } = sources as { file?: string };
    const load = () => loadConfig({ file: text === undefined ? '/dev/null' : file(text), ...rest });
    expect(load).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });

  it('says that a file that was named is missing', () => {
    expect(() => loadConfig({ file: join(folder, 'none.yaml') })).toThrow(
      expect.objectContaining({ code: 'FILE_NOT_FOUND' }),
    );
  });

  it('takes LOG_LEVEL in any spelling', () => {
    for (const [text, level] of [
      ['DEBUG', 'debug'],
      ['WARNING', 'warn'],
      ['info', 'info'],
    ]) {
      expect(loadConfig({ file: '/dev/null', environment: { LOG_LEVEL: text } })['log.level']).toBe(level);
    }
    const both = { LOG_LEVEL: 'debug', MYELIN_LOG_LEVEL: 'error' };
    expect(loadConfig({ file: '/dev/null', environment: both })['log.level']).toBe('error');
  });

  it('has a flag and a variable of its own for every key', () => {
    for (const names of [
      SETTING_KEYS.map(flagName),
      SETTING_KEYS.map(environmentName),
      SETTING_KEYS.map(optionName),
    ])
      expect(new Set(names).size).toBe(SETTING_KEYS.length);
    for (const key of SETTING_KEYS) {
      const { kind, flag } = SETTINGS[key];
      expect([key, flag.includes('<')]).toEqual([key, kind !== 'switch']);
    }
  });

  it('is documented: docs/configuration.md is what the table says', () => {
    expect(readFileSync(join(packageRoot(), 'docs/configuration.md'), 'utf8')).toBe(configPage());
  });

  it('puts everything below the storage folder, and sockets into a folder of this user', () => {
    const paths = systemPaths(loadConfig({ file: '/dev/null', flags: { storage: '/data/robot' } }), {
      XDG_RUNTIME_DIR: folder,
    });
    expect(paths).toMatchObject({
      projects: '/data/robot/projects',
      uploads: '/data/robot/projects/uploads',
      log: '/data/robot/logs/app.log',
      tokens: '/data/robot/tokens.json',
      commandSocket: expect.stringMatching(new RegExp(`^ipc://${folder}/myelin/cmd-[0-9a-f]{12}.ipc$`)),
    });
  });
});
