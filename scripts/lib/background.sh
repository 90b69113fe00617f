# Processes in the background, each with a PID file, a log and the arguments of its last start. Sourced by the start
# scripts, which set `script` (their name, for messages) and `name` (the process), and define `usage`, `start`, `stop`,
# `status` and `check` for `run_verb`. Needs bash 4.4 or newer and Linux.
# shellcheck shell=bash

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
run_dir=${MYELIN_RUN_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/myelin}
node=${MYELIN_NODE:-node}
main=$root/dist/cli/main.js
start_timeout_s=${MYELIN_START_TIMEOUT:-60}
stop_timeout_s=${MYELIN_STOP_TIMEOUT:-20}
max_log_bytes=10000000

say() { printf '%s\n' "$*"; }

# fail MESSAGE [HINT] [EXIT CODE]
fail() {
  printf '%s: %s\n' "${script:-script}" "$1" >&2
  if [ -n "${2:-}" ]; then printf '  hint: %s\n' "$2" >&2; fi
  exit "${3:-1}"
}

pid_file() { printf '%s/%s.pid' "$run_dir" "$1"; }
log_file() { printf '%s/%s.log' "$run_dir" "$1"; }
args_file() { printf '%s/%s.args' "$run_dir" "$1"; }

# Everything a start needs, said before anything is changed.
need_myelin() {
  command -v "$node" >/dev/null 2>&1 ||
    fail "there is no program \"$node\"" 'Install Node 20.19 or newer (https://nodejs.org), or set MYELIN_NODE.'
  [ -f "$main" ] || fail 'Myelin has not been built' "cd $root && npm run build"
  (umask 077 && mkdir -p -- "$run_dir") && [ -w "$run_dir" ] ||
    fail "the folder $run_dir cannot be written" 'Set MYELIN_RUN_DIR to one that can.'
}

myelin() { "$node" "$main" "$@"; }

# When a process was started, in ticks since boot: together with the PID it names one process for good.
start_time() {
  local stat fields
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # The name, in parentheses, may hold anything; the start time is field 22, the 20th behind it.
  read -r -a fields <<<"${stat##*) }"
  case ${fields[0]} in Z | X) return 1 ;; esac
  printf '%s' "${fields[19]}"
}

# Sets `state` to running, stale or none, and `pid`. Stale: the file names a process that is gone, or another one
# that was given the same number since.
look() {
  local file started
  file=$(pid_file "$1")
  pid='' state=none
  [ -f "$file" ] || return 0
  { read -r pid && read -r started; } <"$file" || true
  state=stale
  case $pid in '' | *[!0-9]*) pid='?' && return 0 ;; esac
  if [ "$(start_time "$pid")" = "${started:-?}" ]; then state=running; fi
}

# One start or stop at a time, where the system has flock.
lock() {
  command -v flock >/dev/null 2>&1 || return 0
  (umask 077 && mkdir -p -- "$run_dir") || fail "the folder $run_dir cannot be made" 'Set MYELIN_RUN_DIR.'
  exec 9>"$run_dir/$1.lock"
  flock -w 5 9 || fail "another start or stop of $1 is under way" 'Try again when it is done.'
}

refuse_second() {
  look "$1"
  if [ "$state" = running ]; then
    fail "$1 runs already (process $pid)" "Stop it first: $0 stop, or: $0 restart"
  fi
}

# start_background NAME PATTERN COMMAND...: returns when a line of the log matches the pattern.
start_background() {
  local name=$1 pattern=$2 log offset deadline line
  shift 2
  log=$(log_file "$name")
  look "$name"
  if [ "$state" = stale ]; then say "removing a stale PID file: $name (process $pid) ended without cleaning up"; fi
  umask 077
  if [ -f "$log" ] && [ "$(wc -c <"$log")" -gt "$max_log_bytes" ]; then mv -f -- "$log" "$log.1"; fi
  printf -- '--- %s started %s\n' "$name" "$(date '+%Y-%m-%d %H:%M:%S')" >>"$log"
  offset=$(wc -c <"$log")
  # A session of its own: Ctrl-C here and a closed terminal are none of its business.
  if command -v setsid >/dev/null 2>&1; then
    setsid "$@" </dev/null >>"$log" 2>&1 9>&- &
  else
    nohup "$@" </dev/null >>"$log" 2>&1 9>&- &
  fi
  pid=$!
  printf '%s\n%s\n' "$pid" "$(start_time "$pid")" >"$(pid_file "$name").new"
  mv -f -- "$(pid_file "$name").new" "$(pid_file "$name")"
  deadline=$((SECONDS + start_timeout_s))
  while [ "$SECONDS" -lt "$deadline" ]; do
    line=$(tail -c "+$((offset + 1))" "$log" | grep -m 1 -E -- "$pattern") && {
      say "$name runs (process $pid): $line"
      say "log: $log"
      return 0
    }
    if ! start_time "$pid" >/dev/null; then
      rm -f -- "$(pid_file "$name")"
      tail -c "+$((offset + 1))" "$log" | tail -n 20 >&2
      fail "$name ended at once" "What it said stands above, and in $log"
    fi
    sleep 0.2
  done
  say "$name runs (process $pid), but is not ready after $start_timeout_s s: it may still be loading"
  say "log: $log"
}

# stop_background NAME: asks, waits, and only then kills.
stop_background() {
  local name=$1 deadline
  look "$name"
  case $state in
    none)
      say "$name does not run"
      return 0
      ;;
    stale)
      say "$name does not run; removing its stale PID file (process $pid)"
      rm -f -- "$(pid_file "$name")"
      return 0
      ;;
  esac
  kill -TERM "$pid" 2>/dev/null || true
  deadline=$((SECONDS + stop_timeout_s))
  while start_time "$pid" >/dev/null && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.1; done
  if start_time "$pid" >/dev/null; then
    say "$name (process $pid) does not stop after $stop_timeout_s s: killing it"
    kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -f -- "$(pid_file "$name")"
  say "$name stopped (process $pid)"
}

# status_background NAME: 0 runs, 1 ended without cleaning up, 3 does not run.
status_background() {
  look "$1"
  case $state in
    running)
      say "$1 runs (process $pid), log: $(log_file "$1")"
      return 0
      ;;
    stale)
      say "$1 does not run: the PID file is stale, process $pid ended without cleaning up; log: $(log_file "$1")"
      return 1
      ;;
  esac
  say "$1 does not run"
  return 3
}

# Arguments of the last start, for a restart without any. They may hold a token: the folder is this user's alone.
save_args() { (umask 077 && printf '%s\0' "${@:2}" >"$(args_file "$1")"); }

# Sets `saved`.
load_args() {
  saved=()
  if [ -f "$(args_file "$1")" ]; then mapfile -d '' -t saved <"$(args_file "$1")"; fi
}

show_log() {
  local log
  log=$(log_file "$1")
  [ -f "$log" ] || fail "there is no log yet: $log"
  if [ "${2:-}" = -f ]; then exec tail -n 100 -f "$log"; fi
  tail -n 100 "$log"
}

# run_checks COMMAND ARGUMENTS...: the devices, ports and servers that command needs; those in `only`, when it is set.
run_checks() {
  local command=$1 code=0
  shift
  myelin doctor --for "$command" ${only:+--only "$only"} --timeout "${MYELIN_CHECK_TIMEOUT:-3}" --rounds 10 -- "$@" || code=$?
  case $code in
    0) ;;
    1) fail 'not started: see the problems above' 'Mend them, or start all the same with --skip-checks.' ;;
    *) exit "$code" ;;
  esac
}

# What every start script says of itself.
usage_of_files() {
  cat <<'USAGE'

The token belongs into the environment: MYELIN_TOKEN=...
PID files, logs and options lie in $MYELIN_RUN_DIR (~/.local/state/myelin). MYELIN_START_TIMEOUT and
MYELIN_STOP_TIMEOUT are seconds (60, 20). Exit codes: 0 done, 1 failed, 2 wrong options; status: 0 runs, 1 stale, 3 not.
USAGE
}

# run_verb ARGUMENTS...: what the user asked of a start script.
run_verb() {
  local verb=start
  case ${1:-} in
    start | stop | restart | status | logs | check) verb=$1 && shift ;;
    help | -h | --help) usage && usage_of_files && exit 0 ;;
  esac
  case $verb in start | restart | check) need_myelin ;; esac
  case $verb in start | restart | stop) lock "$name" ;; esac
  case $verb in
    restart)
      if [ "$#" -eq 0 ]; then
        load_args "$name"
        set -- "${saved[@]+"${saved[@]}"}"
      fi
      [ "$#" -gt 0 ] || fail 'nothing was started before' 'Give the options of a start.' 2
      stop
      start "$@"
      ;;
    logs) show_log "$name" "$@" ;;
    *) "$verb" "$@" ;;
  esac
}
