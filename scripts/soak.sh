#!/bin/bash
# Works on a mount from several processes for the given time, while the archive fails and tierd dies;
# checks everything that was acknowledged; cleans up. Builds what is missing.
#   scripts/soak.sh MINUTES [SEED]
# Prints the seed and what was done. Exit code 1: something was lost; the evidence is kept in build/soak.
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

[[ ${1:-} =~ ^[0-9]+(\.[0-9]+)?$ ]] || { say "usage: scripts/soak.sh MINUTES [SEED]"; exit 2; }
[[ ${2:-0} =~ ^[0-9]+$ ]] || { say "soak.sh: the seed '$2' is not a number"; exit 2; }

if [ -z "${TIERHUB_BIN_DIR:-}" ]; then
  install_packages "${build_packages[@]}" "${test_packages[@]}"
  build_preset release soak_test
fi
evidence=$repository/build/soak/$(date -u +%Y%m%d-%H%M%S)
as_root env "TIERHUB_SOAK_MINUTES=$1" ${2:+"TIERHUB_SOAK_SEED=$2"} "TIERHUB_SOAK_EVIDENCE=$evidence" \
  "${TIERHUB_BIN_DIR:-$repository/build/release/bin}/soak_test" --gtest_brief=1 || exit 1
