import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { MyelinError } from '../../core/errors.ts';
import { runtimeDir } from '../../platform/process.ts';
import type { Config } from './settings.ts';

/** Where the parts of a running system lie; absolute paths and ZeroMQ addresses. */
export interface SystemPaths {
  readonly storage: string;
  readonly projects: string;
  /** Archives on their way to the worker. */
  readonly uploads: string;
  readonly log: string;
  readonly tokens: string;
  readonly commandSocket: string;
  readonly callbackSocket: string;
}

/** The kernel has no room for more in the address of a Unix socket. */
const MOST_BYTES = 107;

/**
 * `auto` sockets are named after the storage folder: gateway and worker of one storage find each other, and those of
 * two do not meet.
 * @throws MyelinError RUNTIME_DIR_UNSAFE, INVALID_ARGUMENT for a socket path that is too long
 */
export function systemPaths(config: Config, environment: NodeJS.ProcessEnv = process.env): SystemPaths {
  const storage = resolve(config.storage);
  const projects = resolve(config['worker.storage_dir'] ?? join(storage, 'projects'));
  const mark = createHash('sha256').update(storage).digest('hex').slice(0, 12);
  const socket = (key: 'ipc.command_socket' | 'ipc.callback_socket', kind: string) => {
    const value = config[key];
    const address =
      value === 'auto' ? `ipc://${join(runtimeDir(environment), `${kind}-${mark}.ipc`)}` : value;
    if (Buffer.byteLength(address.slice('ipc://'.length)) > MOST_BYTES) {
      throw new MyelinError('INVALID_ARGUMENT', {
        name: key,
        value: address,
        allowed: `a path of at most ${MOST_BYTES} bytes`,
      });
    }
    return address;
  };
  return {
    storage,
    projects,
    uploads: join(projects, 'uploads'),
    log: join(storage, 'logs', 'app.log'),
    tokens: join(storage, 'tokens.json'),
    commandSocket: socket('ipc.command_socket', 'cmd'),
    callbackSocket: socket('ipc.callback_socket', 'callback'),
  };
}
