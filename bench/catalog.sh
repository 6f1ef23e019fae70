#!/bin/bash
# How tierd bears a large archive: rate of the import, bytes in the catalog, start, lookups, memory.
#   bench/catalog.sh [FILES]...     1000000 if not given
# The files are generated, not made: the scanner lists an archive that exists only in its answers, so
# what is measured is tierd's own part. Everything after the import is a real tierd over that catalog.
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=scripts/tier.sh
source "$repository/scripts/tier.sh"

status_mib() { awk -v row="$1:" '$1 == row { printf "%d", $2 / 1024 }' "/proc/$tierd_pid/status"; }

# Seconds since tierd was started until it answers.
start_and_time() {
  local begin end
  begin=$(date +%s%N)
  start_tierd
  end=$(date +%s%N)
  start_s=$(awk -v ns=$((end - begin)) 'BEGIN { printf "%.2f", ns / 1e9 }')
}

measure_catalog() {  # FILES
  local files=$1 rate import_mib bytes clean_s start_mib lookup p99 used_mib
  rm -rf "$archive" "$scratch"
  mkdir -p "$archive" "$scratch"
  start_tierd
  stop_tierd
  read -r rate import_mib < <(bench_catalog import "$scratch/state" "$scratch" "$files")
  bytes=$(du -sb --exclude=ballast "$scratch/state/catalog" | cut -f 1)
  start_and_time
  clean_s=$start_s
  start_mib=$(status_mib VmRSS)
  read -r lookup p99 < <(bench_catalog lookup "$mount" "$files")
  find "$mount"/plate_00??? -type f -size +0 >/dev/null  # a million of them, or all
  used_mib=$(status_mib VmHWM)
  kill -9 "$tierd_pid"
  wait "$tierd_pid" 2>/dev/null || true
  umount -l "$mount" || true
  start_and_time
  stop_tierd
  printf '| %10s | %10s | %12s | %10s | %9s | %9s | %11s | %9s | %9s | %9s |\n' "$files" "$rate" "$import_mib" \
    $((bytes / files)) "$clean_s" "$start_s" "$start_mib" "$lookup" "$p99" "$used_mib"
}

if [ -z "${TIERHUB_BIN_DIR:-}" ]; then
  "$repository/scripts/build.sh"
  build_preset release bench_catalog
fi
prepare_tier "$@"
printf '\nbench/catalog.sh %s\n\n' "$*"
printf '| %10s | %10s | %12s | %10s | %9s | %9s | %11s | %9s | %9s | %9s |\n' files 'imported/s' 'its MiB' 'bytes/file' \
  'start s' 'unclean s' 'MiB started' 'lookup us' '99 % us' 'MiB used'
printf '|-----------:|-----------:|-------------:|-----------:|----------:|----------:|------------:|----------:|----------:|----------:|\n'
[ $# -gt 0 ] || set -- 1000000
for files in "$@"; do measure_catalog "$files"; done
