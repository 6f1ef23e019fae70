#!/bin/bash
# Builds the release programs into build/release/bin/ and the page of the browser hub into web/dist/. Installs what is
# missing.
#   scripts/build.sh
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

install_packages "${build_packages[@]}"
build_preset release tierd tierctl tieragent imgop tierweb
build_page
say "the programs are in $repository/build/release/bin"
