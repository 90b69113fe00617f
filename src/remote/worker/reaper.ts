import { type ChildProcess, spawn } from 'node:child_process';

/**
 * What is done when the worker's end of the pipe closes: kill every process group that was named, remove the socket
 * files that are still the worker's (the next worker may have taken the path meanwhile), the views of segments, and
 * the control groups with whatever still runs in them.
 */
const SCRIPT = `
trap '' INT TERM HUP
groups=
while read -r verb id; do
  case $verb in
    add) groups="$groups $id" ;;
    del) kept=; for g in $groups; do [ "$g" = "$id" ] || kept="$kept $g"; done; groups=$kept ;;
  esac
done
for g in $groups; do kill -9 "-$g"; done 2>/dev/null
gone() { [ "$(stat -c '%i %.9Y' "$1" 2>/dev/null)" = "$2" ] && rm -f "$1"; }
gone "$1" "$2"; gone "$3" "$4"; rm -rf "$5"; shift 5
for folder in "$@"; do
  n=0
  while [ -d "$folder" ] && [ $n -lt 50 ]; do
    for group in "$folder"/*/; do
      [ -f "$group/pids.max" ] && echo 0 > "$group/pids.max"
      while read -r p; do kill -9 "$p"; done < "$group/cgroup.procs"
      rmdir "$group"
    done 2>/dev/null
    rmdir "$folder" 2>/dev/null || sleep 0.1
    n=$((n + 1))
  done
done
`;

export interface ReaperOptions {
  readonly sockets: readonly { readonly path: string; readonly identity: string }[];
  readonly viewsFolder: string;
  readonly cgroupFolders: readonly string[];
}

/** A shell of about 1 MB that outlives the worker for a moment, so that `kill -9` of the worker leaves nothing behind. */
export class Reaper {
  readonly #child: ChildProcess;

  constructor({ sockets, viewsFolder, cgroupFolders }: ReaperOptions) {
    const files = [0, 1].flatMap((index) => {
      const { path = '', identity = '' } = sockets[index] ?? {};
      return [path, identity];
    });
    this.#child = spawn('/bin/sh', ['-c', SCRIPT, 'myelin-reaper', ...files, viewsFolder, ...cgroupFolders], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#child.on('error', () => undefined); // No shell here: a killed worker then leaves what it leaves.
    this.#child.stdin?.on('error', () => undefined);
    this.#child.unref();
  }

  /** Names a process group that must not outlive the worker. */
  add(group: number): void {
    this.#child.stdin?.write(`add ${group}\n`);
  }

  forget(group: number): void {
    this.#child.stdin?.write(`del ${group}\n`);
  }

  /** Lets it end, now that nothing is left to do. */
  close(): void {
    this.#child.stdin?.end();
  }
}
