#!/bin/bash
# Measures the goals of the browser hub with the real tierd and tierweb and a real browser, on data that it generates, and
# prints a table: what people wait for, the median and the 95th percentile, how often it was measured, whether the goal is met.
#   bench/hub_goals.sh [IMAGE...]      also these images of your own: files, or folders of OME-Zarr
#   TIERHUB_GOALS=cold,labels bench/hub_goals.sh      only what has one of these words in its name
# It takes about five minutes, 10 GB of disk below TMPDIR and 4 GB of memory, and ends after twenty minutes at the latest.
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=scripts/tier.sh
source "$repository/scripts/tier.sh"

time_limit_s=600    # of the images
search_limit_s=150  # of the search

if [ -z "${TIERHUB_BIN_DIR:-}" ]; then
  "$repository/scripts/build.sh"
  build_preset release bench_hub bench_catalog slowfs
fi
use_node
build_page
install_packages "${web_packages[@]}" curl python3-zarr python3-numcodecs python3-numpy
for image in "$@"; do [ -e "$image" ] || die "$image does not exist"; done
# Mounts of its own: none is left, whatever happens.
if [ "$(id -u)" = 0 ] && [ -z "${TIERHUB_OWN_MOUNTS:-}" ]; then
  TIERHUB_OWN_MOUNTS=1 TIERHUB_BIN_DIR=$bin exec unshare --mount --propagation private "$0" "$@"
fi
prepare_tier "$@"

others=()  # processes, the last one first
before_clean_up() {
  local pid
  for pid in "${others[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  others=()
}
slowfs_pid=''
after_tierd() {
  [ -n "$slowfs_pid" ] || return 0
  kill "$slowfs_pid" 2>/dev/null || true
  wait "$slowfs_pid" 2>/dev/null || true
}

# Ends with this script, also if that is killed.
start() { setpriv --pdeathsig KILL -- "$@" & }

start_tierweb() {
  start tierweb --here --allow-root --socket "$TIERHUB_SOCKET" --page "$place/page" >"$place/tierweb.log" 2>&1
  tierweb_pid=$!
  others=("$tierweb_pid" "${others[@]}")
  wait_for 30 "tierweb prints its link" grep -q 'token=' "$place/tierweb.log"
  link=$(grep -o 'http://127.0.0.1:[^ ]*token=[^ ]*' "$place/tierweb.log" | head -n 1)
}

# The other way to serve: people sign in. Each has a worker.
people=daemon,bin,games,mail
start_for_everybody() {
  local port check=$place/check.sh
  port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  printf '#!/bin/sh\nread -r password\n[ "$password" = secret ]\n' >"$check"
  mkdir -p "$place/pam"
  printf 'auth [success=1 default=ignore] pam_exec.so expose_authtok quiet %s\nauth requisite pam_deny.so\nauth required pam_permit.so\naccount required pam_permit.so\n' "$check" \
    >"$place/pam/tierweb"
  chmod 755 "$check"
  chmod 711 "$place" "$mount"
  start tierweb --socket "$TIERHUB_SOCKET" --page "$place/page" --listen "127.0.0.1:$port" --trusted-proxy 127.0.0.1 --user nobody \
    --runtime-folder "$place/run" --pam-folder "$place/pam" --first-uid 1 >"$place/everybody.log" 2>&1
  others=("$!" "${others[@]}")
  everybody=http://127.0.0.1:$port
  wait_for 30 "tierweb for everybody answers" curl -sS --max-time 5 -o /dev/null "$everybody/login"
}

# measure_with SECONDS WHAT
measure_with() {
  EVERYBODY=${everybody:-} PEOPLE=$people \
    LINK=$link TIERWEB=$tierweb_pid SOCKET=$TIERHUB_SOCKET MOUNT=$mount SPEED=$place/speed NATIVE=$place/native.raw PLACE=$place \
    ROWS=$place/rows OWN=$own start timeout --kill-after=10 "$1" node "$repository/bench/hub_goals.mjs" "$2"
  others=($! "${others[@]}")
  wait "$!" || failed=1
}

say "making the data"
: >"$place/rows"
mkdir -p "$place/backing/own"
timeout 240 /usr/bin/python3 "$repository/bench/hub_images.py" "$place/backing"
cp "$place/backing/hot.raw" "$place/native.raw"
own=''
for image in "$@"; do
  cp -r "$image" "$place/backing/own/"
  own+=/own/$(basename "$image")$'\n'
done
npx --prefix "$repository/web" vite build --config "$repository/web/bench/vite.config.ts" --outDir "$place/page" --emptyOutDir --logLevel warn
cp -r "$repository/web/dist/." "$place/page/"

say "bringing it to the SSD"
: >"$place/speed"
start slowfs "$place/backing" "$archive" --delay-ms 0 --faults "$place/speed" >"$place/slowfs.log" 2>&1
slowfs_pid=$!
wait_for 30 "the mount of slowfs" mountpoint -q "$archive"
printf 'growing_s: 0\nscan_every_s: 0\nkeeper: false\n' >"$place/tierd.yaml"
tierd_options=(--config "$place/tierd.yaml")
start_tierd
wait_for 60 "the archive has been imported" test -e "$mount/hot.raw"
timeout 120 tierctl prefetch --wait /scan.ome.zarr /objects /many /hot.raw /own >/dev/null 2>&1

failed=0
start_tierweb
start_for_everybody
say "measuring"
measure_with "$time_limit_s" images
before_clean_up
stop_tierd

say "a catalog of a million files"
archive=$place/far scratch=$place/far-scratch
mkdir -p "$archive" "$scratch"
start_tierd
stop_tierd
timeout 120 bench_catalog import "$scratch/state" "$scratch" 1000000 >/dev/null
start_tierd
start_tierweb
measure_with "$search_limit_s" search

printf '\n%s, %s processors, %s; pages are drawn by the processor\n\n' "$(uname -sr)" "$(nproc)" "$(uptime | grep -o 'load average.*')"
printf '| goal | median | p95 | n | met |\n|---|---|---|---|---|\n'
cat "$place/rows"
exit "$failed"
