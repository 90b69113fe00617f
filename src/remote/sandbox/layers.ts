/** One layer around a project's process: whether it is on, and what it does or why it is not there. */
export interface SandboxLayer {
  readonly layer: string;
  readonly active: boolean;
  readonly detail: string;
}

/** What a process may reach and use. Everything else is closed, as far as this machine has the layers for it. */
export interface Wish {
  /** For the names of what is made for it: letters, digits, `-`. */
  readonly name: string;
  /** Paths it may read, besides the system's programs and libraries. Those that do not exist are left out. */
  readonly readable: readonly string[];
  /** Folders it may write. They exist. */
  readonly writable: readonly string[];
  readonly network: boolean;
  /** Memory of the process and its children, MiB. */
  readonly memoryMiB: number;
  /** Arm segment it may write, by name. */
  readonly segment?: string;
  /** Whether it may read the pictures of this machine's cameras. */
  readonly cameras: boolean;
}

/** What one start of a process is confined by. */
export interface Confinement {
  readonly layers: readonly SandboxLayer[];
  /** What it has to be told of where it is, as environment variables. */
  readonly environment: NodeJS.ProcessEnv;
  /**
   * The command that runs `command` inside. The confined process keeps the file descriptors it is given. One that may
   * write an arm's segment finds in `MYELIN_COMMANDER` the process id that its process group has outside.
   */
  wrap(command: readonly string[]): string[];
  /** In words, which limit of the kernel ended the process ("the memory limit of 512 MiB"); undefined if none did. */
  limitHit(): string | undefined;
  /** Ends everything that was started inside, however it detached itself; as far as a layer can. */
  kill(): void;
  /** Kills, and removes what was made for it. Idempotent. */
  close(): void;
}

export interface Sandbox {
  /** The layers of this machine. */
  readonly layers: readonly SandboxLayer[];
  confine(wish: Wish): Confinement;
}
