#!/bin/bash
# Searches for input that breaks a decoder: SECONDS for each target (default 60). Keeps what breaks it, and prints where.
#   scripts/fuzz.sh [SECONDS [TARGET...]]      targets: records wire requests workflows datasets pixels settings
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

seconds=${1:-60}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(records wire requests workflows datasets pixels settings)

install_packages "${build_packages[@]}" "${fuzz_packages[@]}"
build_preset fuzz "${targets[@]/#/fuzz_}"
failed=()
for target in "${targets[@]}"; do
  corpus=$repository/build/fuzz/corpus/$target
  mkdir -p "$corpus"
  say "$target: $seconds s"
  # UndefinedBehaviorSanitizer stops at the first finding, AddressSanitizer at a leak or at 2 GiB.
  TIERHUB_FUZZ_SEEDS=$corpus "$repository/build/fuzz/bin/fuzz_$target" -max_total_time="$seconds" -rss_limit_mb=2048 \
    -timeout=10 -artifact_prefix="$repository/build/fuzz/$target-" -print_final_stats=1 "$corpus" \
    >"$repository/build/fuzz/$target.log" 2>&1 || { failed+=("$target"); tail -n 30 "$repository/build/fuzz/$target.log" >&2; }
  grep -E 'number_of_executed_units|Done ' "$repository/build/fuzz/$target.log" >&2 || true
done
[ ${#failed[@]} = 0 ] || die "found something in ${failed[*]}: the input is in build/fuzz, the stack trace in build/fuzz/TARGET.log"
say "nothing found"
