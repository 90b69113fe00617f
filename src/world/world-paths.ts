import { join } from 'node:path';
import { MyelinError } from '../core/errors.ts';
import { runtimeDir } from '../platform/process.ts';

export const DEFAULT_WORLD = 'default';

/** Where the world called `name` listens. @throws MyelinError INVALID_ARGUMENT for a name that cannot be part of a path. */
export function worldPaths(name: string): { readonly can: string; readonly control: string } {
  if (!/^[\w.-]{1,40}$/.test(name)) {
    throw new MyelinError('INVALID_ARGUMENT', {
      name: 'The name of the world',
      value: name,
      allowed: 'made of letters, digits, dots, - and _, at most 40 of them',
    });
  }
  const folder = runtimeDir();
  return { can: join(folder, `world-${name}.can`), control: join(folder, `world-${name}.ctl`) };
}
