#!/bin/bash
# How tierd bears a large archive: rate of the import, bytes in the catalog, start, lookups, memory.
#   bench/catalog.sh [FILES]...     1000000 if not given
# The files are generated, not made: the scanner lists an archive that exists only in its answers, so
# what is measured is tierd's own part. Everything after the import is a real tierd over that catalog. `kept`: from kill -9 of
# the tierd that a keeper starts again until a name is looked up in the mount; `killed`: of one without a keeper, which is
# started again at once.
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=scripts/tier.sh
source "$repository/scripts/tier.sh"

# Of the process that does the work: the keeper's child.
status_mib() { awk -v row="$1:" '$1 == row { printf "%d", $2 / 1024 }' "/proc/$(pgrep -oP "$tierd_pid")/status"; }

# Seconds since tierd was started until it answers.
start_and_time() {
  local begin end
  begin=$(date +%s%N)
  start_tierd
  end=$(date +%s%N)
  start_s=$(awk -v ns=$((end - begin)) 'BEGIN { printf "%.2f", ns / 1e9 }')
}

# A name that nobody has asked for yet: only a tierd that has its catalog says that it is not there.
mount_answers() {
  asked=$((asked + 1))
  [[ $(LC_ALL=C stat "$mount/absent-$asked" 2>&1) == *'No such file'* ]]
}

# Kills tierd and counts the seconds until programs can use the mount again; what stood stays as the crash left it.
kill_and_time() {  # PROCESS COMMAND...: what starts tierd again
  local begin
  begin=$(date +%s%N)
  kill -9 "$1"
  "${@:2}"
  until mount_answers; do sleep 0.01; done
  killed_s=$(awk -v ns=$(($(date +%s%N) - begin)) 'BEGIN { printf "%.2f", ns / 1e9 }')
}

# Its keeper reaps it, and starts another.
wait_until_reaped() {  # PROCESS
  while kill -0 "$1" 2>/dev/null; do sleep 0.01; done
}

start_again() {
  wait "$tierd_pid" 2>/dev/null || true
  spawn_tierd
}

measure_catalog() {  # FILES
  local files=$1 rate import_mib bytes start_mib lookup p99 used_mib kept kept_s
  rm -rf "$archive" "$scratch"
  mkdir -p "$archive" "$scratch"
  start_tierd
  stop_tierd
  read -r rate import_mib < <(bench_catalog import "$scratch/state" "$scratch" "$files")
  bytes=$(du -sb --exclude=ballast "$scratch/state/catalog" | cut -f 1)
  start_and_time
  start_mib=$(status_mib VmRSS)
  read -r lookup p99 < <(bench_catalog lookup "$mount" "$files")
  find "$mount"/plate_00??? -type f -size +0 >/dev/null  # a million of them, or all
  used_mib=$(status_mib VmHWM)
  kept=$(pgrep -oP "$tierd_pid")
  kill_and_time "$kept" wait_until_reaped "$kept"
  kept_s=$killed_s
  stop_tierd
  tierd_options=(--config "$place/alone.yaml")
  start_tierd
  kill_and_time "$tierd_pid" start_again
  stop_tierd
  tierd_options=()
  printf '| %10s | %10s | %12s | %10s | %9s | %9s | %11s | %9s | %9s | %9s | %9s |\n' "$files" "$rate" "$import_mib" \
    $((bytes / files)) "$start_s" "$kept_s" "$killed_s" "$start_mib" "$lookup" "$p99" "$used_mib"
}

if [ -z "${TIERHUB_BIN_DIR:-}" ]; then
  "$repository/scripts/build.sh"
  build_preset release bench_catalog
fi
prepare_tier "$@"
asked=0
echo 'keeper: false' >"$place/alone.yaml"
printf '\nbench/catalog.sh %s\n\n' "$*"
printf '| %10s | %10s | %12s | %10s | %9s | %9s | %9s | %11s | %9s | %9s | %9s |\n' files 'imported/s' 'its MiB' 'bytes/file' \
  'start s' 'kept s' 'killed s' 'MiB started' 'lookup us' '99 % us' 'MiB used'
printf '|-----------:|-----------:|-------------:|-----------:|----------:|----------:|----------:|------------:|----------:|----------:|----------:|\n'
[ $# -gt 0 ] || set -- 1000000
for files in "$@"; do measure_catalog "$files"; done
