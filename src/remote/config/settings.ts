import { z } from 'zod';
import { DEFAULT_ARM_SEGMENT } from '../../segment/arm-layout.ts';
import { RIGHTS } from '../protocol/right.ts';

/**
 * Everything that can be set about gateway and worker. One row is a key of `config.yaml`, a flag, an environment
 * variable and a line of `docs/configuration.md`. The keys of `websocket`, `worker` and `ipc` are the documented ones.
 */
export interface Setting<T extends z.ZodType = z.ZodType> {
  /** How a text (flag, environment) becomes a value. */
  readonly kind: 'text' | 'number' | 'switch' | 'list';
  /** As commander wants it: `--port <n>`. */
  readonly flag: string;
  readonly doc: string;
  /** Its error is what is allowed. */
  readonly schema: T;
}

const between = (least: number, most: number, unit = '') => {
  const error = `a whole number from ${least} to ${most}${unit && ` ${unit}`}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
};
const text = (pattern: RegExp, error: string) => z.string({ error }).regex(pattern, { error });
const onOff = z.boolean({ error: 'true or false' }).default(false);
const path = (what: string) => text(/^[^\0]+$/, what);
const name = text(/^[\w.-]{1,64}$/, 'letters, digits, dots, dashes or underscores');

/** Room for `.ipc` addresses in the kernel: 107 bytes of path. */
const socket = text(
  /^(auto|ipc:\/\/\/[^\0]{1,106})$/,
  'auto, or ipc:// and an absolute path of at most 107 bytes',
);

const origins = 'a list of origins, such as https://robot.example:8000';
const origin = z.string({ error: origins }).refine((value) => {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) && new URL(value).origin === value;
}, origins);

const setting = <T extends z.ZodType>(
  flag: string,
  kind: Setting['kind'],
  schema: T,
  doc: string,
): Setting<T> => ({ flag, kind, schema, doc });

export const SETTINGS = {
  'websocket.host': setting(
    '--host <address>',
    'text',
    text(/^[\w.:[\]-]{1,255}$/, 'an address or a name, such as 127.0.0.1 or 0.0.0.0').default('127.0.0.1'),
    'Address to listen at. Beyond loopback a token and TLS are needed, or insecure',
  ),
  'websocket.port': setting(
    '--port <n>',
    'number',
    between(0, 65_535).default(8000),
    'Port of HTTP, Socket.IO and WebSocket; 0 takes any',
  ),
  'websocket.max_message_size': setting(
    '--max-message-size <bytes>',
    'number',
    between(1024, 1_073_741_824, 'bytes').default(104_857_600),
    'Longest message, and longest base64 of an update, bytes',
  ),
  'websocket.allowed_origins': setting(
    '--allow-origin <origins>',
    'list',
    z.array(origin, { error: origins }).max(64).default([]),
    'Other web pages that may use this server, separated by commas; its own page always may',
  ),
  'worker.storage_dir': setting(
    '--storage-dir <folder>',
    'text',
    path('the path of a folder').optional(),
    'Folder of the projects. Default: projects/ in storage',
  ),
  'worker.max_execution_time': setting(
    '--max-execution-time <s>',
    'number',
    between(1, 86_400, 's').default(300),
    'Longest call of user code, s',
  ),
  'worker.max_upload_size': setting(
    '--max-upload-size <bytes>',
    'number',
    between(1024, 8_589_934_592, 'bytes').default(1_073_741_824),
    'Longest archive by PUT /api/projects/NAME, bytes',
  ),
  'worker.count': setting(
    '--workers <n>',
    'number',
    between(1, 64).default(1),
    'Project processes side by side at most',
  ),
  'worker.require_sandbox': setting(
    '--require-sandbox',
    'switch',
    onOff,
    'Run no project unless every layer of the sandbox is there',
  ),
  'ipc.command_socket': setting(
    '--command-socket <address>',
    'text',
    socket.default('auto'),
    'ZeroMQ address of commands; auto is a file in a folder of this user alone',
  ),
  'ipc.callback_socket': setting(
    '--callback-socket <address>',
    'text',
    socket.default('auto'),
    'ZeroMQ address of callbacks',
  ),
  'arm.segment': setting('--segment <name>', 'text', name.default(DEFAULT_ARM_SEGMENT), 'Segment of the arm'),
  'arm.world': setting(
    '--world <name>',
    'text',
    name.default('default'),
    'Simulated world whose objects the page draws',
  ),
  'auth.local': setting(
    '--local <right>',
    'text',
    z.enum(['none', ...RIGHTS], { error: `one of none, ${RIGHTS.join(', ')}` }).default('none'),
    'What programs and pages of this machine may do without a token',
  ),
  'tls.certificate': setting(
    '--tls-cert <file>',
    'text',
    path('the path of a PEM file').optional(),
    'Certificate, PEM; together with its key',
  ),
  'tls.key': setting(
    '--tls-key <file>',
    'text',
    path('the path of a PEM file').optional(),
    'Its private key, PEM',
  ),
  'tls.insecure': setting(
    '--insecure',
    'switch',
    onOff,
    'Listen beyond loopback without TLS. A token is needed all the same',
  ),
  storage: setting(
    '--storage <folder>',
    'text',
    path('the path of a folder').default('./storage'),
    'Folder of everything that is kept: projects/, logs/app.log, tokens.json',
  ),
  'log.level': setting(
    '--log-level <level>',
    'text',
    z
      .string()
      .toLowerCase()
      .transform((level) => (level === 'warning' ? 'warn' : level === 'critical' ? 'fatal' : level))
      .pipe(
        z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
          error: 'one of trace, debug, info, warn, error, fatal',
        }),
      )
      .default('info'),
    'How much the log holds. The environment variable LOG_LEVEL does the same',
  ),
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingKey = keyof typeof SETTINGS;
export const SETTING_KEYS = Object.keys(SETTINGS) as SettingKey[];

/** Values of every key, `config['websocket.port']`. Optional ones may be undefined. */
export type Config = { readonly [K in SettingKey]: z.output<(typeof SETTINGS)[K]['schema']> };

/** `websocket.max_message_size` is `MYELIN_WEBSOCKET_MAX_MESSAGE_SIZE`. */
export const environmentName = (key: SettingKey): string => `MYELIN_${key.replace('.', '_').toUpperCase()}`;

/** `--max-message-size <bytes>` is `--max-message-size`. */
export const flagName = (key: SettingKey): string => SETTINGS[key].flag.split(' ')[0] ?? '';

/** Under what name commander gives a flag's value: `--tls-cert` is `tlsCert`. */
export const optionName = (key: SettingKey): string =>
  flagName(key)
    .slice(2)
    .replace(/-(\w)/g, (_whole, letter: string) => letter.toUpperCase());
