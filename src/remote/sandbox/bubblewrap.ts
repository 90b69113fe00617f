import { existsSync, lstatSync, readlinkSync, realpathSync } from 'node:fs';

export interface BubblewrapWish {
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  readonly network: boolean;
  /** Folder that appears as /dev/shm; a private one when left out. */
  readonly sharedMemory?: string;
  /** Folder that appears as {@link CAMERAS_INSIDE}, read-only. */
  readonly cameras?: string;
}

/** Where a project finds the rings of the cameras. */
export const CAMERAS_INSIDE = '/dev/myelin-cameras';

/** Programs and libraries. Whatever is not named here or in a wish does not exist inside. */
const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/opt'];
const SYSTEM_FILES = [
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/alternatives',
  '/etc/localtime',
  '/etc/timezone',
  '/etc/passwd',
  '/etc/group',
  '/etc/nsswitch.conf',
  '/etc/ssl',
  '/etc/ca-certificates',
  '/etc/pki',
  '/etc/mime.types',
  '/etc/fonts',
  // How many cores there are: numeric libraries ask.
  '/sys/devices/system/cpu',
];
const NETWORK_FILES = [
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/host.conf',
  '/etc/services',
  '/etc/protocols',
  '/etc/pip.conf',
];

/**
 * Arguments of `bwrap` in front of the command: namespaces of its own, no network, a root that holds the system's
 * programs read-only and what is named, a private /tmp, no capabilities. Everything inside ends with its first process,
 * and that one with us.
 */
export function bubblewrapArguments(wish: BubblewrapWish): string[] {
  const { readable, writable, network, sharedMemory, cameras } = wish;
  return [
    '--unshare-user',
    '--unshare-all',
    ...(network ? ['--share-net'] : []),
    '--die-with-parent',
    '--new-session',
    ...SYSTEM.flatMap(systemFolder),
    ...[...SYSTEM_FILES, ...(network ? NETWORK_FILES : [])].flatMap(readOnly),
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
    ...(sharedMemory === undefined ? [] : ['--bind', sharedMemory, '/dev/shm']),
    ...(cameras === undefined ? [] : ['--ro-bind', cameras, CAMERAS_INSIDE]),
    ...readable.filter((path) => !isSystem(path)).flatMap(readOnly),
    ...writable.flatMap((path) => ['--bind', realpathSync(path), path]),
    // The folders in between are in memory; nothing may be put into them either.
    ...['--remount-ro', '/'],
  ];
}

/** On most systems /bin and its like are links into /usr now. */
function systemFolder(path: string): string[] {
  if (!existsSync(path)) return [];
  return lstatSync(path).isSymbolicLink()
    ? ['--symlink', readlinkSync(path), path]
    : ['--ro-bind', path, path];
}

const readOnly = (path: string): string[] =>
  existsSync(path) ? ['--ro-bind', realpathSync(path), path] : [];

const isSystem = (path: string): boolean =>
  SYSTEM.some((folder) => path === folder || path.startsWith(`${folder}/`));
