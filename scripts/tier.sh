# shellcheck shell=bash
# A tierd over temporary folders, for scripts: sourced after lib.sh.

bin=${TIERHUB_BIN_DIR:-$repository/build/release/bin}
tierd_options=()  # further ones, for start_tierd

# Builds what is missing, becomes root, makes the folders. They are removed when the script ends.
# prepare_tier ARGUMENT...: the script's own arguments, to restart it as root.
prepare_tier() {
  [ -n "${TIERHUB_BIN_DIR:-}" ] || "$repository/scripts/build.sh"
  if [ "$(id -u)" != 0 ]; then
    say "tierd mounts a file system: continuing as root"
    exec sudo "TIERHUB_BIN_DIR=$bin" "TIERHUB_DEMO_OUT=${TIERHUB_DEMO_OUT:-}" "TIERHUB_PAGE_DIR=${TIERHUB_PAGE_DIR:-}" "$0" "$@"
  fi
  [ -c /dev/fuse ] || die "/dev/fuse is missing: load the fuse module (modprobe fuse), or start the container with --device /dev/fuse --cap-add SYS_ADMIN"
  place=$(mktemp -d "${TMPDIR:-/tmp}/tierhub-XXXXXX")
  archive=$place/archive scratch=$place/scratch mount=$place/mount
  mkdir -p "$archive" "$scratch" "$mount"
  export TIERHUB_SOCKET=$place/tierd.sock PATH=$bin:$PATH
  tierd_pid=''
  trap clean_up_tier EXIT
  trap 'exit 130' INT TERM
}

# before_clean_up: a script can redefine it to stop what it started.
before_clean_up() { :; }
# after_tierd: the same, after tierd has stopped.
after_tierd() { :; }

clean_up_tier() {
  local code=$?
  before_clean_up
  if [ -n "$tierd_pid" ]; then
    kill "$tierd_pid" 2>/dev/null || true
    wait "$tierd_pid" 2>/dev/null || true
  fi
  if mountpoint -q "$mount"; then umount -l "$mount" || true; fi
  after_tierd
  if [ $code != 0 ] && [ $code != 130 ]; then
    say "$(basename "$0"): it failed; the last log lines of the programs:"
    tail -n 15 "$place"/*.log >&2 || true
  fi
  rm -rf --one-file-system "$place"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
  local seconds=$1 what=$2
  shift 2
  local end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || die "$what: not within $seconds s"
    sleep 0.1
  done
}

spawn_tierd() {
  "$bin/tierd" --archive "$archive" --scratch "$scratch" --mount "$mount" --socket "$TIERHUB_SOCKET" "${tierd_options[@]}" \
    2>"$place/tierd.log" &
  tierd_pid=$!
}

start_tierd() {
  spawn_tierd
  wait_for 60 "tierd answers" tierctl status
}

stop_tierd() {
  kill "$tierd_pid"
  wait "$tierd_pid" || die "tierd did not stop cleanly"
  tierd_pid=''
  ! mountpoint -q "$mount" || die "the file system is still mounted"
}
