import { MyelinError } from '../../core/errors.ts';
import type { ProcessParams } from '../protocol/requests.ts';
import type { Sandbox, SandboxLayer } from '../sandbox/layers.ts';

export const LANGUAGES = ['python', 'cpp', 'javascript'] as const;
export type Language = (typeof LANGUAGES)[number];

/** What a project tells of itself once it is loaded. */
export interface LoadedProject {
  /** Global instances and their public methods. */
  readonly objects: Readonly<Record<string, readonly string[]>>;
  /** Functions that are called with no object. */
  readonly functions: readonly string[];
}

/** What a running project says without being asked. */
export interface ExecutorEvents {
  /** `push_message(event, data)` of user code. */
  readonly onPush: (event: string, data: unknown) => void;
  /** A line it printed. Lines over 8 KiB are cut; a flood is dropped and counted, and the count told. */
  readonly onLog: (stream: 'stdout' | 'stderr' | 'system', text: string) => void;
  /** The process of a loaded project is gone without having been closed, with the reason in words ("killed by the memory limit of 512 MiB"). */
  readonly onExit: (reason: string) => void;
}

export interface ExecutorOptions extends ExecutorEvents {
  /** Name of the project, for messages. */
  readonly project: string;
  /** Folder of the version: read-only to the project. */
  readonly folder: string;
  /** File that is loaded or started, relative to `folder`. Default: the language's own (`main.py`). */
  readonly entry?: string;
  /** What `prepare` made; need not exist. Read-only to the project. */
  readonly environment: string;
  /** Folder the project may write to; kept between versions. */
  readonly dataFolder: string;
  /** Longest call, ms. Then the call fails, and the process is killed and loaded again. */
  readonly maxExecutionMs: number;
  /** Longest load, ms. */
  readonly loadTimeoutMs: number;
  /** Segment of the arm it may drive; left out when this instance may not. */
  readonly armSegment?: string;
  /** Why it may not drive the arm, in words for its author. */
  readonly armRefusal?: string;
  /** Whether it may read the pictures of this machine's cameras. Default false. */
  readonly cameras?: boolean;
  /** What confines the process. */
  readonly sandbox: Sandbox;
  /** Whether it may reach the network. */
  readonly network: boolean;
  /** Memory of its process and children, MiB. */
  readonly memoryMiB: number;
}

/** The process ended, or is about to, before it began this call: another may have it. */
export class NotBegun extends MyelinError {
  constructor() {
    super('PROJECT_CRASHED', { reason: 'it ended before this call began' });
  }
}

/**
 * One project process of one language. Adding a language is adding one file that gives an `ExecutorKind`.
 * Calls run one after the other, in the order they are given; `stop` does not wait for a running call.
 */
export interface Executor {
  readonly pid: number | undefined;
  /** Layers of the sandbox around the process: which are on, and why others are not. */
  readonly layers: readonly SandboxLayer[];
  /** Starts the process and loads the project. @throws MyelinError PROJECT_LOAD_FAILED with the user's traceback */
  load(): Promise<LoadedProject>;
  /**
   * Calls a method of an object, or a function. Resolves with its JSON value.
   * @throws MyelinError CALL_FAILED (type, message and traceback of user code in `data`), CALL_UNKNOWN,
   *   CALL_TIMEOUT, PROJECT_CRASHED; {@link NotBegun} when it was not run and may be given to the next process
   */
  execute(call: Pick<ProcessParams, 'object' | 'method' | 'args'>): Promise<unknown>;
  /** Calls `stop()` of every object that has one, else of the module. Returns the names called. @throws CALL_TIMEOUT */
  stop(deadlineMs: number): Promise<readonly string[]>;
  /** Ends the process and its children: politely, then by force. Idempotent. */
  close(): Promise<void>;
}

/** What `prepare` is given. */
export interface PreparedVersion {
  readonly project: string;
  readonly folder: string;
  readonly environment: string;
  readonly entry?: string;
  readonly sandbox: Sandbox;
}

/** A language: how its projects are recognised, prepared and run. */
export interface ExecutorKind {
  readonly language: Language;
  /** Whether the files of a project (paths relative to its root) are of this language. */
  recognises(files: readonly string[]): boolean;
  /**
   * Makes what the version needs before its first start (virtual environment, execute permission) in `folder`'s
   * sibling `environment/`. Calls `onProgress` line by line. Repeatable; a failure leaves nothing half-made.
   */
  prepare?(version: PreparedVersion, onProgress: (text: string) => void): Promise<void>;
  create(options: ExecutorOptions): Executor;
}
