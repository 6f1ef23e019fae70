#!/bin/bash
# Simulates a microscope that writes a little slower than the archive takes data, on an SSD that holds 60 s of its data. No
# open, write or close may fail, and all files must be in the archive at the end. Builds what is missing, cleans up.
#   scripts/microscope.sh [MINUTES]    default: 30
# It writes 16 MB/s: 30 minutes need 30 GB below $TMPDIR (/tmp).
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

minutes=${1:-30}
[[ $minutes =~ ^[0-9]+(\.[0-9]+)?$ ]] || { say "usage: scripts/microscope.sh [MINUTES]"; exit 2; }
seconds=$(awk -v minutes="$minutes" 'BEGIN { printf "%d", minutes * 60 }')
# A short run must fill its SSD several times, too.
ssd_seconds=$(awk -v seconds="$seconds" 'BEGIN { print seconds / 4 < 60 ? seconds / 4 : 60 }')
needed_mb=$((seconds * 17))
free_mb=$(df --output=avail --block-size=1MB "${TMPDIR:-/tmp}" | tail -n 1)
[ "$free_mb" -gt "$needed_mb" ] || die "$minutes minutes need $needed_mb MB in ${TMPDIR:-/tmp}, but only $free_mb MB are free"

if [ -z "${TIERHUB_BIN_DIR:-}" ]; then
  install_packages "${build_packages[@]}" "${test_packages[@]}"
  build_preset release e2e_microscope
fi
as_root env "TIERHUB_MICROSCOPE_S=$seconds" "TIERHUB_MICROSCOPE_SSD_S=$ssd_seconds" TIERHUB_MICROSCOPE_SETTLE_S=5 \
  "${TIERHUB_BIN_DIR:-$repository/build/release/bin}/e2e_microscope" --gtest_brief=1
