# shellcheck shell=bash disable=SC2034
# Shared by the scripts of this folder: sourced, not run.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What the programs are built from.
build_packages=(
  build-essential g++ cmake ninja-build ccache pkg-config git ca-certificates
  libfuse3-dev fuse3 librocksdb-dev liburing-dev libxxhash-dev
  libspdlog-dev libfmt-dev libcli11-dev nlohmann-json3-dev libyaml-cpp-dev libexpected-dev
  libboost-dev libinsighttoolkit5-dev libtiff-dev libblosc-dev libzstd-dev zlib1g-dev libpng-dev libjpeg-dev liblz4-dev libpugixml-dev libhdf5-dev libopenslide-dev
  libpam0g-dev libseccomp-dev
  libgtest-dev libgmock-dev
)
# Other programs that the tests call.
test_packages=(attr acl e2fsprogs rsync tar git sqlite3 python3 curl xfsprogs btrfs-progs systemd
  python3-numpy python3-tifffile python3-zarr python3-numcodecs python3-pil python3-h5py python3-openslide
  python3-scipy python3-skimage)
# A browser for the tests of the page.
web_packages=(chromium)
# Other programs that the label `tools` runs on the mount.
tool_packages=(fio stress-ng dbench samba samba-vfs-modules samba-testsuite smbclient)
# A cluster on this machine.
slurm_packages=(slurm-wlm munge)
# What exports the mount to the nodes of a cluster, and a client without a kernel.
nfs_packages=(nfs-ganesha nfs-ganesha-vfs libnfs-utils)
# What checks the annotations of locks.
lock_packages=(clang-16)
# What the fuzz preset is built with.
fuzz_packages=(clang-16 libclang-rt-16-dev)

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "must install packages: run it as root, or install sudo"
  fi
}

# Installs those of the named packages that are missing; does nothing if none is.
install_packages() {
  local package installed missing=()
  installed=$(dpkg-query -W -f ' ${Package}=${db:Status-Status} ' "$@" 2>/dev/null) || true
  for package in "$@"; do
    [[ $installed == *" $package=installed "* ]] || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null || die "these Debian packages are needed: ${missing[*]}"
  say "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}

has_new_node() {
  command -v node >/dev/null &&
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}

# Puts Node.js 20.19 or later and npm into PATH. Debian 12 has 18: then a package of npm that is the program itself, kept
# in the user's cache.
use_node() {
  command -v npm >/dev/null || install_packages nodejs npm
  has_new_node && return
  local machine cache=${XDG_CACHE_HOME:-$HOME/.cache}/tierhub/node
  case $(uname -m) in
    x86_64) machine=x64 ;;
    aarch64) machine=arm64 ;;
    *) die "Node.js 20.19 or later is needed: install it" ;;
  esac
  local package=node-linux-$machine
  [ -x "$cache/node_modules/$package/bin/node" ] ||
    npm install --prefix "$cache" --no-audit --no-fund --loglevel=error "$package@22" >&2
  export PATH=$cache/node_modules/$package/bin:$PATH
  has_new_node || die "$cache does not work: remove it, and try again"
}

# Installs what package-lock.json of the folder names, unless it is there.
install_node_modules() {  # FOLDER
  local folder=$repository/$1 installed=$repository/$1/node_modules/.package-lock.json
  use_node
  [ "$installed" -nt "$folder/package-lock.json" ] && return
  npm ci --prefix "$folder" --no-audit --no-fund --loglevel=error >&2
}

# Builds the page of the browser hub into web/dist, unless that is newer than all its sources.
build_page() {
  local built=$repository/web/dist/index.html
  if [ -e "$built" ] && [ -z "$(find "$repository/web" -name node_modules -prune -o -name dist -prune -o -type f -newer "$built" -print -quit)" ]; then
    return
  fi
  install_node_modules web
  npm run build --prefix "$repository/web" --silent >&2
}

# Makes a second build quick, in this checkout or in another one.
use_ccache() {
  export CCACHE_BASEDIR=$repository
  export CCACHE_NOHASHDIR=1
  export CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G}
}

# configure_preset PRESET: in build/PRESET. Ninja does it again by itself when a CMakeLists.txt changes.
configure_preset() {
  local preset=$1
  use_ccache
  [ "$repository/build/$preset/build.ninja" -nt "$repository/CMakePresets.json" ] && return
  mkdir -p "$repository/build"
  (cd "$repository" && cmake --preset "$preset" >"$repository/build/$preset.configure.log" 2>&1) || {
    cat "$repository/build/$preset.configure.log" >&2
    die "cmake could not configure the preset $preset"
  }
}

# build_preset PRESET [TARGET...]: configures it and builds the targets, all if none is named.
build_preset() {
  local preset=$1 target targets=()
  shift
  for target in "$@"; do targets+=(--target "$target"); done
  configure_preset "$preset"
  cmake --build "$repository/build/$preset" "${targets[@]}" -- -j"$(nproc)" >&2
}
