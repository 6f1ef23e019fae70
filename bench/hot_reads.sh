#!/bin/bash
# Reads of a hot file through the mount against the same file on the file system of scratch: in
# alternating order, medians of seven, and their ratio.
#   bench/hot_reads.sh [SIZE_MIB]      512 if not given; TMPDIR names the disk
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=scripts/tier.sh
source "$repository/scripts/tier.sh"

if [ -z "${TIERHUB_BIN_DIR:-}" ]; then
  "$repository/scripts/build.sh"
  build_preset release bench_reads
fi
prepare_tier "$@"
head -c "${1:-512}M" /dev/urandom >"$archive/file"
cp "$archive/file" "$place/native"
start_tierd
tierctl prefetch --wait /file >/dev/null 2>&1
echo "$(uname -sr), $(nproc) processors, ${1:-512} MiB, $(df --output=fstype "$place" | tail -n 1), $(tierctl status | sed -n 's/^mount .*(\(.*\))$/\1/p')"
bench_reads "$mount/file" "$place/native"
[ "$(tierctl status --json | grep -o '"fuse_read_requests": *[0-9]*' | grep -o '[0-9]*$')" = 0 ] ||
  say "some reads went through tierd"
stop_tierd
