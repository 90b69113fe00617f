#!/usr/bin/env bash
# Runs `myelin policy-server` in the background, with a PID file and a log.
set -u
script=start_policy_server
name=policy-server
# shellcheck source=lib/background.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/background.sh"

usage() {
  cat <<'USAGE'
Usage: start_policy_server.sh [start] [--skip-checks] OPTIONS...   options of: myelin policy-server
       start_policy_server.sh restart [OPTIONS...]                 without any: those of the last start
       start_policy_server.sh stop | status | logs [-f] | check OPTIONS...

  scripts/start_policy_server.sh --config configs/async_server_example.yaml
  scripts/start_policy_server.sh -c ./my_act_checkpoint --host 0.0.0.0 --insecure
  scripts/start_policy_server.sh status
USAGE
}

start() {
  local checks=yes args=() arg
  for arg in "$@"; do
    if [ "$arg" = --skip-checks ]; then checks=no; else args+=("$arg"); fi
  done
  if [ "${#args[@]}" -eq 0 ]; then
    { usage && usage_of_files; } >&2
    fail 'nothing to serve' 'Give -c CHECKPOINT, or --config FILE.' 2
  fi
  refuse_second "$name"
  if [ "$checks" = yes ]; then run_checks policy-server "${args[@]}"; fi
  save_args "$name" "${args[@]}"
  start_background "$name" '^ready ' "$node" "$main" policy-server "${args[@]}"
}

stop() { stop_background "$name"; }
status() { status_background "$name"; }
check() { run_checks policy-server "$@"; }

run_verb "$@"
