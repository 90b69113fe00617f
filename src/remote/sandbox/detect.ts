import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bubblewrapArguments } from './bubblewrap.ts';
import { CgroupParent } from './cgroup.ts';
import { prlimitArguments } from './rlimits.ts';

/** What this machine has for confining a process. A text says why something is not there. */
export interface Capabilities {
  readonly rlimits: true | string;
  /** `setpriv` and its arguments. */
  readonly noNewPrivileges: readonly string[] | string;
  readonly bubblewrap: true | string;
  readonly cgroup: CgroupParent | string;
}

const TRIAL_MS = 10_000;

/** Tries every layer once, with what it would really be asked. Nothing is taken for granted from a version or a name. */
export function detectCapabilities(): Capabilities {
  return {
    rlimits: tryRun('prlimit', [...prlimitArguments({ dataMiB: 512 }), 'true'], 'util-linux') ?? true,
    noNewPrivileges: detectNoNewPrivileges(),
    bubblewrap: detectBubblewrap(),
    cgroup: CgroupParent.find(),
  };
}

function detectNoNewPrivileges(): readonly string[] | string {
  // Older ones cannot tie the process to our life; the end of its pipe does that too.
  const full = ['--no-new-privs', '--pdeathsig', 'KILL'];
  if (tryRun('setpriv', [...full, 'true'], 'util-linux') === undefined) return ['setpriv', ...full];
  return tryRun('setpriv', ['--no-new-privs', 'true'], 'util-linux') ?? ['setpriv', '--no-new-privs'];
}

function detectBubblewrap(): true | string {
  const folder = mkdtempSync(join(tmpdir(), 'myelin-trial-'));
  try {
    const wish = { readable: [], writable: [folder], network: false };
    return tryRun('bwrap', [...bubblewrapArguments(wish), 'true'], 'bubblewrap') ?? true;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Undefined when it worked, else why not. */
function tryRun(program: string, args: readonly string[], installedBy: string): string | undefined {
  const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: TRIAL_MS });
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') {
    return `${program} is not installed (apt-get install -y ${installedBy})`;
  }
  if (status === 0) return undefined;
  return `${program} does not work here: ${stderr?.trim() || error?.message || `code ${status}`}`;
}
