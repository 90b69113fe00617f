#!/usr/bin/env bash
# Runs `myelin robot-client` in the background, with a PID file and a log; with --control, the arm's control process too.
set -u
script=start_robot_client
name=robot-client
# shellcheck source=lib/background.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/background.sh"

usage() {
  cat <<'USAGE'
Usage: start_robot_client.sh [start] [--skip-checks] [--control 'OPTIONS'] OPTIONS...   options of: myelin robot-client
       start_robot_client.sh restart [OPTIONS...]                 without any: those of the last start
       start_robot_client.sh stop | status | logs [-f] | check OPTIONS...

  scripts/start_robot_client.sh --control '--model X5 --interface can0' --config configs/async_client_example.yaml
  scripts/start_robot_client.sh --server_address=gpu:8080 --policy_type=act \
    --pretrained_name_or_path=/models/act_pick --camera-id front=2 --camera-id wrist=4 \
    --actions_per_chunk=50 --chunk_size_threshold=0.5 --debug_visualize_queue_size=queue.svg
  scripts/start_robot_client.sh stop          the arm pauses where it is, then its control process damps it

--control: options of `myelin control` (words without blanks inside). It is started before the client and stopped
after it; leave it out when somebody else runs it. Before a start, cameras, the arm's bus and the server are looked at
and the round trip is measured.
USAGE
}

# Sets `checks`, `control` (an array) and `args`.
read_args() {
  checks=yes control=() args=()
  while [ "$#" -gt 0 ]; do
    case $1 in
      --skip-checks) checks=no ;;
      --control)
        [ "$#" -gt 1 ] || fail '--control wants options in quotes' "--control '--model X5 --interface can0'" 2
        read -r -a control <<<"$2"
        shift
        ;;
      --control=*) read -r -a control <<<"${1#--control=}" ;;
      *) args+=("$1") ;;
    esac
    shift
  done
}

check_all() {
  local i bus=''
  for i in "${!control[@]}"; do
    case ${control[i]} in
      --interface) bus=${control[i + 1]:-} ;;
      --interface=*) bus=${control[i]#--interface=} ;;
    esac
  done
  if [ -n "$bus" ]; then
    myelin doctor --only arm --interface "$bus" ||
      fail 'not started: the arm is not connected' 'Mend it, or start all the same with --skip-checks.'
  fi
  # Where this script starts the control process there is none yet.
  local only=''
  if [ "${#control[@]}" -gt 0 ]; then only=node,machine,realtime,cameras,server; fi
  run_checks robot-client "${args[@]+"${args[@]}"}"
}

start() {
  read_args "$@"
  if [ "${#args[@]}" -eq 0 ]; then
    { usage && usage_of_files; } >&2
    fail 'no server is named' 'Give --server_address and --pretrained_name_or_path, or --config FILE.' 2
  fi
  refuse_second "$name"
  if [ "$checks" = yes ]; then check_all; fi
  save_args "$name" "$@"
  if [ "${#control[@]}" -gt 0 ]; then
    look control
    if [ "$state" = running ]; then
      say "control runs already (process $pid)"
    else
      start_background control 'IDLE|segment' "$node" "$main" control "${control[@]}"
    fi
  fi
  start_background "$name" 'commands the|waiting for' "$node" "$main" robot-client --no-display "${args[@]}"
}

# The client first: it pauses the arm.
stop() {
  stop_background "$name"
  look control
  if [ "$state" != none ]; then stop_background control; fi
}

status() {
  look control
  if [ "$state" != none ]; then status_background control || true; fi
  status_background "$name"
}

check() {
  read_args "$@"
  check_all
}

run_verb "$@"
