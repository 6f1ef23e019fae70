#!/bin/bash
# Measures TierHub alongside the native file system, mergerfs and rclone, in one run and on the same
# files: in every round each of them does the same work, in rotating order. It shows medians, the share
# of the native file system's speed that TierHub reaches, and its budget. Where small requests are
# counted, "FUSE alone" (bench_floor) shows what the kernel leaves to any FUSE file system.
#   scripts/bench.sh            all of it: 20 minutes, 10 GB of disk, 3 GB of memory
#   scripts/bench.sh --quick    less of everything, 3 rounds: 3 minutes, 5 GB
#   scripts/bench.sh [--quick] SECTION...    of: memory disk cold far catalog
# The sections: both tiers in memory; both on a disk, each a file system of its own; the archive on a
# disk that is as slow as one hard disk; the archive behind a file system that takes 8 ms for each
# request, like a server whose disks seek; the catalog of a million files (`bench/catalog.sh
# 10000000` measures a larger one). TMPDIR names the disk.
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tier.sh
source "$repository/scripts/tier.sh"

all_arguments=("$@")
quick=()
sections=()
for argument in "$@"; do
  case $argument in
    --quick) quick=(--quick) ;;
    memory | disk | cold | far | catalog) sections+=("$argument") ;;
    *) die "unknown argument $argument; see the comment at the top of scripts/bench.sh" ;;
  esac
done
[ ${#sections[@]} -gt 0 ] || sections=(memory disk cold far catalog)
time_limit_s=3600

# The archive as slow as one hard disk: bytes and requests per second.
slow_bytes_per_s=150000000
slow_requests_per_s=300
throttle=/sys/fs/cgroup/blkio/blkio.throttle
image_gib=5
[ ${#quick[@]} = 0 ] || image_gib=2

others=()      # processes of mergerfs and rclone
mounts=()      # in the order in which they were made
loops=()
slow_device=''

before_clean_up() { end_section; }

end_section() {
  local i
  for i in "${others[@]}"; do kill "$i" 2>/dev/null || true; done
  if [ -n "$tierd_pid" ]; then
    kill "$tierd_pid" 2>/dev/null || true
    wait "$tierd_pid" 2>/dev/null || true
    tierd_pid=''
  fi
  set_speed 0 0
  for ((i = ${#mounts[@]} - 1; i >= 0; --i)); do
    umount "${mounts[i]}" 2>/dev/null || umount -l "${mounts[i]}" 2>/dev/null || true
  done
  for i in "${loops[@]}"; do losetup -d "$i" || true; done
  wait "${others[@]}" 2>/dev/null || true
  rm -f "$place"/*.img
  others=() mounts=() loops=() slow_device=''
}

# set_speed BYTES REQUESTS: limits reads per second from the archive's device; 0: no limit.
set_speed() {
  [ -n "$slow_device" ] || return 0
  echo "$slow_device $1" >"$throttle.read_bps_device"
  echo "$slow_device $2" >"$throttle.read_iops_device"
}

# make_disk NAME: an ext4 of its own at $place/NAME; a folder where there are no loop devices.
make_disk() {
  local image=$place/$1.img loop
  mkdir -p "$place/$1"
  fallocate -l "${image_gib}G" "$image"
  mkfs.ext4 -qF -E lazy_itable_init=0,lazy_journal_init=0 "$image"
  loop=$(losetup -f --show --direct-io=on "$image" 2>/dev/null) || loop=''
  if [ -z "$loop" ]; then
    rm "$image"
    say "there are no loop devices: $1 is a folder of $place"
    return
  fi
  loops+=("$loop")
  mount "$loop" "$place/$1"
  mounts+=("$place/$1")
  if [ "$1" = slow ] && [ -w "$throttle.read_bps_device" ]; then
    slow_device=$(cat "/sys/block/$(basename "$loop")/dev")
  fi
}

# The same layout for every section; FAST and SLOW are folders of the two tiers.
lay_out() {  # FAST SLOW
  local folder
  for folder in "$1/scratch" "$1/native/mergerfs" "$1/rclone" "$1/floor" "$2/archive" "$2/outside" "$2/rclone"; do mkdir -p "$folder"; done
  for folder in mount mergerfs rclone-read rclone-write floor; do mkdir -p "$place/$folder"; done
  ln -sfn "$1/native" "$place/native"
  ln -sfn "$2/outside" "$place/outside"
  archive=$2/archive scratch=$1/scratch
  [ -L "$place/archive" ] || rmdir "$place/archive"
  ln -sfn "$archive" "$place/archive"
}

# The others get the options that suit them best.
start_others() {  # FAST SLOW
  mergerfs -f -o allow_other,cache.files=auto-full,cache.readdir=true,cache.entry=60,cache.attr=60,readdirplus=true,minfreespace=64M,category.create=ff \
    "$1/native/mergerfs:$archive" "$place/mergerfs" >"$place/mergerfs.log" 2>&1 &
  others+=($!)
  local mode options=(--allow-other --vfs-cache-mode full --vfs-cache-max-size 4G --dir-cache-time 1h --attr-timeout 60s)
  for mode in read write; do
    local remote=$archive
    [ $mode = read ] || remote=$2/rclone
    rclone mount "$remote" "$place/rclone-$mode" "${options[@]}" --cache-dir "$1/rclone/$mode" >"$place/rclone-$mode.log" 2>&1 &
    others+=($!)
  done
  bench_floor "$place/floor" "$1/floor" >"$place/floor.log" 2>&1 &
  others+=($!)
  for mode in mergerfs rclone-read rclone-write floor; do
    wait_for 30 "the mount of $mode" mountpoint -q "$place/$mode"
    mounts+=("$place/$mode")
  done
}

begin_section() {  # TITLE FAST SLOW WHAT-TO-MAKE
  lay_out "$2" "$3"
  measure "$4"
  # Publishing is measured on its own and must not interfere with the rest.
  printf 'settle_s: 600\ngrowing_s: 0\n' >"$place/tierd.yaml"
  tierd_options=(--config "$place/tierd.yaml")
  start_tierd
  start_others "$2" "$3"
  printf '\n%s\n' "$1"
}

measure() { timeout -k 10 "$time_limit_s" bench_tiers "$place" "$1" "${quick[@]}"; }

in_memory() {
  mkdir -p "$place/memory"
  mount -t tmpfs -o size=4G tierhub-bench "$place/memory"
  mounts+=("$place/memory")
  begin_section "Both tiers in memory:" "$place/memory/fast" "$place/memory/slow" make-small
  measure small
  measure writes
  end_section
}

on_disk() {
  make_disk fast
  make_disk slow
  begin_section "Both tiers on a disk:" "$place/fast" "$place/slow" make-all
  measure reads
  measure writes
  measure small
  measure moves
  end_section
}

on_slow_archive() {
  make_disk fast
  make_disk slow
  local title="The archive on a disk of $((slow_bytes_per_s / 1000000)) MB/s and $slow_requests_per_s requests a second:"
  [ -n "$slow_device" ] || title="The archive on the same disk (no cgroup can slow it down here):"
  begin_section "$title" "$place/fast" "$place/slow" make-all
  sync -f "$archive"
  set_speed $slow_bytes_per_s $slow_requests_per_s
  measure cold
  end_section
}

on_far_archive() {
  make_disk fast
  make_disk slow
  mkdir -p "$place/far"
  slowfs "$place/slow" "$place/far" --delay-ms 8 >"$place/slowfs.log" 2>&1 &
  others+=($!)
  wait_for 30 "the mount of slowfs" mountpoint -q "$place/far"
  mounts+=("$place/far")
  begin_section "The archive 8 ms away for each request:" "$place/fast" "$place/far" make-first
  measure first
  end_section
}

unset AWS_CA_BUNDLE  # rclone refuses to start with it
[ "$(id -u)" = 0 ] && install_packages mergerfs rclone
if [ -z "${TIERHUB_BIN_DIR:-}" ]; then
  "$repository/scripts/build.sh"
  build_preset release bench_tiers bench_floor bench_catalog slowfs
fi
prepare_tier "${all_arguments[@]}"
echo "scripts/bench.sh ${all_arguments[*]}"
echo "$(uname -sr), $(nproc) processors, $(awk '/MemTotal/ { printf "%d GiB", $2 / 1048576 + 0.5 }' /proc/meminfo), $(df --output=fstype "$place" | tail -n 1) below $(dirname "$place"); $(mergerfs --version | head -n 1); $(rclone version | head -n 1)"
for section in "${sections[@]}"; do
  case $section in
    memory) in_memory ;;
    disk) on_disk ;;
    cold) on_slow_archive ;;
    far) on_far_archive ;;
    catalog) if [ ${#quick[@]} = 0 ]; then "$repository/bench/catalog.sh" 1000000; else "$repository/bench/catalog.sh" 100000; fi ;;
  esac
done
