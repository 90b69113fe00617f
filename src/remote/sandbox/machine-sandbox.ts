import { mkdirSync, rmSync } from 'node:fs';
import { MyelinError } from '../../core/errors.ts';
import { bubblewrapArguments, CAMERAS_INSIDE } from './bubblewrap.ts';
import type { Cgroup } from './cgroup.ts';
import { type Capabilities, detectCapabilities } from './detect.ts';
import type { Confinement, Sandbox, SandboxLayer, Wish } from './layers.ts';
import { prlimitArguments } from './rlimits.ts';
import { SharedView, viewsFolder } from './shared-view.ts';

/** Processes and threads a project may have. */
const MOST_PROCESSES = 256;

/**
 * Keeps its process id in a variable, if one is named, enters control groups, then becomes the command:
 * `sh -c ENTER sh VARIABLE COUNT FILE... COMMAND...`. The shell's process id stays that of the command.
 */
const ENTER =
  'id=$1; shift; [ -z "$id" ] || export "$id=$$"; n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 > "$1" || exit 126; shift; n=$((n-1)); done; exec "$@"';

/** The layers this machine has, each tried once. */
export class MachineSandbox implements Sandbox {
  readonly layers: readonly SandboxLayer[];
  readonly #capabilities: Capabilities;

  constructor(capabilities: Capabilities) {
    this.#capabilities = capabilities;
    this.layers = describeLayers(capabilities);
  }

  /**
   * @param require refuse to go on without bubblewrap and without limits of memory and processes
   * @throws MyelinError SANDBOX_UNAVAILABLE
   */
  static detect(require: boolean): MachineSandbox {
    const sandbox = new MachineSandbox(detectCapabilities());
    if (require) sandbox.assertComplete();
    return sandbox;
  }

  /** Folders that whoever cleans up after this process removes, with everything that runs in their groups. */
  get cgroupFolders(): readonly string[] {
    const { cgroup } = this.#capabilities;
    return typeof cgroup === 'string' ? [] : cgroup.folders;
  }

  confine(wish: Wish): Confinement {
    return new MachineConfinement(this.#capabilities, this.layers, wish);
  }

  close(): void {
    const { cgroup } = this.#capabilities;
    if (typeof cgroup !== 'string') cgroup.close();
    rmSync(viewsFolder(), { recursive: true, force: true });
  }

  /** @throws MyelinError SANDBOX_UNAVAILABLE naming the first layer that is missing */
  assertComplete(): void {
    const isRoot = process.getuid?.() === 0;
    for (const { layer, active, detail } of this.layers) {
      // Limits of processes do not count for root outside of a control group; memory has rlimits as well.
      const needed = layer !== 'cgroup' || isRoot;
      if (!active && needed) {
        const advice = 'Provide it, or start without --require-sandbox and run only projects you trust.';
        throw new MyelinError('SANDBOX_UNAVAILABLE', { layer, reason: detail, advice });
      }
    }
  }
}

function describeLayers({ rlimits, noNewPrivileges, bubblewrap, cgroup }: Capabilities): SandboxLayer[] {
  const layer = (name: string, found: unknown, does: string): SandboxLayer =>
    typeof found === 'string'
      ? { layer: name, active: false, detail: found }
      : { layer: name, active: true, detail: does };
  return [
    layer(
      'rlimits',
      rlimits,
      'open files, file size, no core dumps; memory and processes where no cgroup does',
    ),
    layer('no-new-privileges', noNewPrivileges, 'programs that change the user do not'),
    layer(
      'bubblewrap',
      bubblewrap,
      'sees the system read-only and its own folders; no network unless asked for',
    ),
    layer(
      'cgroup',
      cgroup,
      typeof cgroup === 'string' ? '' : `memory and processes of all it starts (version ${cgroup.version})`,
    ),
  ];
}

class MachineConfinement implements Confinement {
  readonly layers: readonly SandboxLayer[];
  readonly #capabilities: Capabilities;
  readonly #wish: Wish;
  readonly #cgroup: Cgroup | undefined;
  readonly #view: SharedView | undefined;
  readonly environment: NodeJS.ProcessEnv;

  constructor(capabilities: Capabilities, layers: readonly SandboxLayer[], wish: Wish) {
    const { cgroup, bubblewrap } = capabilities;
    this.#capabilities = capabilities;
    this.#wish = wish;
    this.layers = layers;
    for (const folder of wish.writable) mkdirSync(folder, { recursive: true });
    this.#cgroup =
      typeof cgroup === 'string'
        ? undefined
        : cgroup.create(wish.name, { memoryMiB: wish.memoryMiB, processes: MOST_PROCESSES });
    const { name, segment, cameras } = wish;
    this.#view =
      bubblewrap === true && (segment !== undefined || cameras)
        ? new SharedView(name, segment === undefined ? { cameras } : { segment, cameras })
        : undefined;
    this.environment = this.#view === undefined ? {} : { MYELIN_CAMERAS: CAMERAS_INSIDE };
  }

  wrap(command: readonly string[]): string[] {
    const { rlimits, noNewPrivileges, bubblewrap } = this.#capabilities;
    const entrances = this.#cgroup?.entrances ?? [];
    const variable = this.#wish.segment === undefined ? '' : 'MYELIN_COMMANDER';
    return [
      ...(entrances.length === 0 && variable === ''
        ? []
        : ['/bin/sh', '-c', ENTER, 'sh', variable, String(entrances.length), ...entrances]),
      ...(typeof noNewPrivileges === 'string' ? [] : noNewPrivileges),
      ...(bubblewrap === true ? ['bwrap', ...this.#bubblewrap(), '--'] : []),
      // Innermost: a limit of processes would count against bubblewrap's own.
      ...(rlimits === true ? ['prlimit', ...this.#rlimits()] : []),
      ...command,
    ];
  }

  limitHit(): string | undefined {
    return (this.#cgroup?.memoryKills() ?? 0) > 0
      ? `the memory limit of ${this.#wish.memoryMiB} MiB`
      : undefined;
  }

  kill(): void {
    this.#cgroup?.kill();
  }

  close(): void {
    this.#cgroup?.close();
    this.#view?.close();
  }

  #bubblewrap(): string[] {
    const { readable, writable, network, segment } = this.#wish;
    const view = this.#view;
    return bubblewrapArguments({
      readable,
      writable,
      network,
      ...(segment === undefined || view === undefined ? {} : { sharedMemory: view.armFolder }),
      ...(view === undefined ? {} : { cameras: view.cameraFolder }),
    });
  }

  #rlimits(): string[] {
    if (this.#cgroup !== undefined) return prlimitArguments({});
    const isRoot = process.getuid?.() === 0;
    return prlimitArguments({
      dataMiB: this.#wish.memoryMiB,
      ...(isRoot ? {} : { processes: MOST_PROCESSES }),
    });
  }
}
