import koffi from 'koffi';
import { MyelinError } from '../core/errors.ts';

/** Memory handed to the kernel. Always preallocated by the caller, so a call allocates nothing. */
type Bytes = ArrayBufferView | bigint | null;

/**
 * The C library functions Myelin uses. Structures travel as preallocated byte arrays in the kernel's layout,
 * which is the same on x64 and arm64, glibc and musl. Functions return -1 on failure and leave {@link errno}.
 */
export interface Libc {
  mmap(address: Bytes, length: number, protection: number, flags: number, fd: number, offset: number): bigint;
  munmap(address: bigint, length: number): number;
  mlock(address: bigint, length: number): number;
  posix_fallocate(fd: number, offset: number, length: number): number;
  linkat(fromDir: number, from: string, toDir: number, to: string, flags: number): number;
  fcntl(fd: number, command: number, argument: Bytes): number;
  flock(fd: number, operation: number): number;
  open(path: string, flags: number, mode: number): number;
  close(fd: number): number;
  read(fd: number, bytes: Bytes, length: number): number;
  write(fd: number, bytes: Bytes, length: number): number;
  ioctl(fd: number, request: number, argument: Bytes): number;
  ppoll(fds: Bytes, count: number, timeout: Bytes, mask: Bytes): number;
  socket(domain: number, type: number, protocol: number): number;
  socketpair(domain: number, type: number, protocol: number, fds: Bytes): number;
  bind(fd: number, address: Bytes, length: number): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, address: Bytes, length: Bytes, flags: number): number;
  connect(fd: number, address: Bytes, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: Bytes, length: number): number;
  send(fd: number, bytes: Bytes, length: number, flags: number): number;
  recv(fd: number, bytes: Bytes, length: number, flags: number): number;
  clock_gettime(clock: number, time: Bytes): number;
  clock_nanosleep(clock: number, flags: number, time: Bytes, remaining: Bytes): number;
  getppid(): number;
  kill(pid: number, signal: number): number;
  prctl(option: number, a: number, b: number, c: number, d: number): number;
  pthread_self(): bigint;
  pthread_setschedparam(thread: bigint, policy: number, parameters: Bytes): number;
  sched_setscheduler(thread: number, policy: number, parameters: Bytes): number;
  sched_setaffinity(pid: number, length: number, mask: Bytes): number;
}

/**
 * C types of result and arguments. `open`, `fcntl`, `ioctl` and `prctl` are variadic in C; declared with fixed
 * arguments they are called the same way on Linux, and have an asynchronous form.
 */
const SIGNATURES: Readonly<Record<keyof Libc, readonly [result: string, ...parameters: string[]]>> = {
  mmap: ['void *', 'void *', 'size_t', 'int', 'int', 'int', 'int64_t'],
  munmap: ['int', 'void *', 'size_t'],
  mlock: ['int', 'void *', 'size_t'],
  posix_fallocate: ['int', 'int', 'int64_t', 'int64_t'],
  linkat: ['int', 'int', 'str', 'int', 'str', 'int'],
  fcntl: ['int', 'int', 'int', 'void *'],
  flock: ['int', 'int', 'int'],
  open: ['int', 'str', 'int', 'int'],
  close: ['int', 'int'],
  read: ['int64_t', 'int', 'void *', 'size_t'],
  write: ['int64_t', 'int', 'void *', 'size_t'],
  ioctl: ['int', 'int', 'ulong', 'void *'],
  ppoll: ['int', 'void *', 'ulong', 'void *', 'void *'],
  socket: ['int', 'int', 'int', 'int'],
  socketpair: ['int', 'int', 'int', 'int', 'void *'],
  bind: ['int', 'int', 'void *', 'uint'],
  listen: ['int', 'int', 'int'],
  accept4: ['int', 'int', 'void *', 'void *', 'int'],
  connect: ['int', 'int', 'void *', 'uint'],
  setsockopt: ['int', 'int', 'int', 'int', 'void *', 'uint'],
  send: ['int64_t', 'int', 'void *', 'size_t', 'int'],
  recv: ['int64_t', 'int', 'void *', 'size_t', 'int'],
  clock_gettime: ['int', 'int', 'void *'],
  clock_nanosleep: ['int', 'int', 'int', 'void *', 'void *'],
  getppid: ['int'],
  kill: ['int', 'int', 'int'],
  prctl: ['int', 'int', 'ulong', 'ulong', 'ulong', 'ulong'],
  pthread_self: ['void *'],
  pthread_setschedparam: ['int', 'void *', 'int', 'void *'],
  sched_setscheduler: ['int', 'int', 'int', 'void *'],
  sched_setaffinity: ['int', 'int', 'size_t', 'void *'],
};

let bound: Libc | undefined;

/**
 * The C library of this process. Symbols are looked up globally, so a preloaded library can stand in for a device.
 * @throws MyelinError PLATFORM_UNSUPPORTED away from Linux on x64 or arm64.
 */
export function libc(): Libc {
  if (bound === undefined) {
    assertPlatform('Shared memory and real-time control', process.platform, process.arch);
    const library = koffi.load(null);
    bound = Object.fromEntries(
      Object.entries(SIGNATURES).map(([name, [result, ...parameters]]) => [
        name,
        library.func(name, result, parameters),
      ]),
    ) as unknown as Libc;
  }
  return bound;
}

/** Refuses anything but Linux on a 64-bit little-endian machine, whose structure layouts are the ones used here. */
export function assertPlatform(feature: string, platform: string, arch: string): void {
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) {
    throw new MyelinError('PLATFORM_UNSUPPORTED', { feature, platform: `${platform} on ${arch}` });
  }
}

/** `ioctl` on a thread of its own, for requests that wait. Resolves with the result, or minus the error number. */
export const ioctlAsync = (fd: number, request: number, argument: Bytes): Promise<number> =>
  new Promise((resolve, reject) => {
    const { async } = libc().ioctl as unknown as {
      async(
        fd: number,
        request: number,
        argument: Bytes,
        done: (error: Error | null, result: number) => void,
      ): void;
    };
    async(fd, request, argument, (error, result) => {
      if (error !== null) reject(error);
      else resolve(result < 0 ? -errno() : result);
    });
  });

/** Error number of the last failed call. */
export const errno = (): number => koffi.errno();

const NAMES = new Map(Object.entries(koffi.os.errno).map(([name, code]) => [code, name]));

/** `errnoName(28)` is `'ENOSPC'`. */
export const errnoName = (code: number): string => NAMES.get(code) ?? `errno ${code}`;

/** Error numbers this code decides by. */
export const Errno = koffi.os.errno as Readonly<
  Record<
    | 'EAGAIN'
    | 'EINTR'
    | 'EPERM'
    | 'EACCES'
    | 'ENOENT'
    | 'ENODEV'
    | 'ENXIO'
    | 'ENETDOWN'
    | 'ENOSPC'
    | 'ENOMEM'
    | 'EROFS'
    | 'EEXIST'
    | 'EADDRINUSE'
    | 'ECONNREFUSED'
    | 'ECONNRESET'
    | 'EPIPE'
    | 'EIO'
    | 'ENOBUFS'
    | 'EBUSY'
    | 'EINVAL'
    | 'ENOTTY'
    | 'EAFNOSUPPORT'
    | 'EPROTONOSUPPORT',
    number
  >
>;

/** A MyelinError for the call that just failed. `advice` becomes its hint. */
export const systemCallError = (call: string, advice: string, code = errno()): MyelinError =>
  new MyelinError('SYSTEM_CALL', { call, reason: errnoName(code), advice });

/** Zero-copy view of foreign memory. The caller keeps the memory mapped for as long as the view lives. */
export const viewMemory = (address: bigint, length: number): ArrayBuffer => koffi.view(address, length);
