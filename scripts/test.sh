#!/bin/bash
# Builds and runs the tests. Installs what is missing.
#   scripts/test.sh            everything: the check of locks, unit, contract and model under both sanitizers, then
#                              every label
#   scripts/test.sh LABEL      one label of the release build: unit, contract, model, exact, recovery, crash, e2e,
#                              compute, compare, slurm, web, or
#                              tools: larger programs on the mount, which are not part of "everything"
#   scripts/test.sh unit PART [FILTER]
#                              while you edit: only the programs whose names begin with PART (a folder: migrator,
#                              storage, ...), of the dev build; FILTER as GoogleTest has it: 'Evictor*'
#   scripts/test.sh asan|tsan  one sanitizer
#   scripts/test.sh locks      clang checks that what is GUARDED_BY a mutex is used with that mutex held; runs nothing
# The last lines are ctest's own summary.
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

# The labels of a sanitizer build, which has no ITK and no Beast.
sanitized_labels='^(unit|contract|model)$'

# Tests of the programs mostly wait for disks, the kernel and the programs, so more of them run than there are processors.
tests_at_once=$((2 * $(nproc)))

# Unit tests are built without all other programs.
programs_of() {  # PRESET LABELS [OPTION...]
  ctest --test-dir "$repository/build/$1" -N -L "$2" "${@:3}" |
    sed -nE 's/^ *Test +#[0-9]+: (.*)$/\1/p' | sed -E 's/_[0-9]+_of_[0-9]+$//' | sort -u
}

# Builds what the tests with the labels need.
build_tests() {  # PRESET LABELS [OPTION...]
  local begin=$SECONDS targets=()
  configure_preset "$1"
  if [ "$2" = '^unit$' ]; then
    mapfile -t targets < <(programs_of "$1" "${@:2}")
    [ ${#targets[@]} -gt 0 ] || die "no program of the unit tests begins with ${4#^}"
  fi
  build_preset "$1" "${targets[@]}"
  say "the $1 build took $((SECONDS - begin)) s"
}

ctest_of() {  # PRESET LABELS [OPTION...]
  local begin=$SECONDS failed=0
  (cd "$repository/build/$1" && ctest --output-on-failure --no-tests=error -j "$tests_at_once" -L "$2" "${@:3}") || failed=$?
  say "the tests of the $1 build took $((SECONDS - begin)) s"
  return $failed
}

run_tests() {  # PRESET LABELS [OPTION...]
  build_tests "$@"
  ctest_of "$@"
}

# Runs the tests of one build while the next one is built by what they leave of the processors: they wait a lot.
test_while_building() {  # NEXT-PRESET PRESET LABELS
  local next=$1 log=$repository/build/$1.build.log building begin=$SECONDS failed=0
  shift
  configure_preset "$next"
  nice -n 15 ninja -C "$repository/build/$next" -j "$(nproc)" >"$log" 2>&1 &
  building=$!
  ctest_of "$@" || failed=$?
  [ $failed = 0 ] || kill "$building" 2>/dev/null || true
  wait "$building" || [ $failed != 0 ] || { tail -n 100 "$log" >&2; die "the $next build failed"; }
  say "the $next build was there after $((SECONDS - begin)) s"
  return $failed
}

# A check that finds nothing may be one that does not look: lock_bait.cpp names the errors that clang must report.
check_locks() {
  local begin=$SECONDS
  install_packages "${lock_packages[@]}"
  clang++-16 -std=c++20 -I"$repository" -fsyntax-only -Wthread-safety -Werror=thread-safety -Xclang -verify \
    "$repository/tests/unit/structure/lock_bait.cpp" || die "the check of locks does not find what it should"
  build_preset locks tierd tieragent tierweb tierhub_pixels
  say "the check of locks took $((SECONDS - begin)) s"
}

install_packages "${build_packages[@]}" "${test_packages[@]}"
[ "${1:-all}" != tools ] || install_packages "${tool_packages[@]}"
case "${1:-all}" in
  all | compare) install_node_modules tests/compare/zarrita ;;
esac
case "${1:-all}" in
  all | slurm) install_packages "${slurm_packages[@]}" "${nfs_packages[@]}" ;;
esac
case "${1:-all}" in
  all | web) install_packages "${web_packages[@]}" ;;
esac
case "${1:-all}" in
  all | web | e2e)
    install_node_modules web
    build_page
    ;;
esac
case "${1:-all}" in
  all)
    check_locks
    build_tests asan "$sanitized_labels"
    test_while_building tsan asan "$sanitized_labels"
    test_while_building release tsan "$sanitized_labels"
    ctest_of release '.' -LE '^tools$'
    ;;
  asan | tsan) run_tests "$1" "$sanitized_labels" ;;
  locks) check_locks ;;
  unit)
    if [ $# = 1 ]; then
      run_tests release '^unit$'
    else
      GTEST_FILTER=${3:-*} run_tests dev '^unit$' -R "^$2"
    fi
    ;;
  *) run_tests release "^$1\$" ;;
esac
