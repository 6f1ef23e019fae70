#!/bin/bash
# How fast `imgop segment` is: alongside a scipy and scikit-image script that does the same, one processor each, in turns; then
# its threads, and what blocks cost over the whole image.
#   bench/imaging.sh [PLANE.tif]...     on a synthetic volume, and on a mosaic of each plane
# All volumes have 64 x 1024 x 1024 voxels of 16 bits. The programs start, read, smooth, find Otsu's threshold, label, measure; imgop
# also writes labels and table. Medians of 5 rounds: 5 minutes a volume.
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"

rounds=5
place=$(mktemp -d "${TMPDIR:-/tmp}/tierhub-bench.XXXXXX")
trap 'rm -rf "$place"' EXIT

# Wall seconds of a command on the first processor.
seconds_of() {
  local begin
  begin=$(date +%s%N)
  taskset -c 0 "$@" >"$place/said" 2>&1 || { cat "$place/said" >&2; die "failed: $*"; }
  awk -v ns=$(($(date +%s%N) - begin)) 'BEGIN { printf "%.2f\n", ns / 1e9 }'
}

median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

compare() {  # VOLUME
  local volume=$1 round
  for ((round = 0; round < rounds; ++round)); do
    seconds_of /usr/bin/python3 "$repository/bench/segment_with_scipy.py" "$volume" >>"$place/script.s"
    TIERHUB_CPUS=1 seconds_of "$bin/imgop" segment --sigma 2 --in "$volume" --out "$place/labels.ome.zarr" \
      --table "$place/objects.csv" >>"$place/imgop.s"
  done
  awk -v name="$(basename "$volume" .ome.zarr)" -v script="$(median <"$place/script.s")" -v imgop="$(median <"$place/imgop.s")" \
    'BEGIN { printf "| %-20s | %8.2f | %8.2f | %8.1f |\n", name, script, imgop, script / imgop }'
  rm "$place"/*.s
}

install_packages "${build_packages[@]}" python3-numpy python3-scipy python3-skimage python3-zarr python3-tifffile
build_preset release imgop bench_imaging
bin=$repository/build/release/bin
"$bin/imgop" synth --nuclei 3000 --shape 64,1024,1024 --seed 7 --out "$place/synthetic.ome.zarr" >/dev/null
for plane in "$@"; do
  /usr/bin/python3 "$repository/bench/mosaic.py" "$plane" "$place/$(basename "$plane" .tif).ome.zarr"
done
printf '\nbench/imaging.sh %s\n\n' "$*"
printf '| %-20s | %8s | %8s | %8s |\n' volume 'script s' 'imgop s' ratio
printf '|:---------------------|---------:|---------:|---------:|\n'
for volume in "$place"/*.ome.zarr; do
  [ "$(basename "$volume")" = labels.ome.zarr ] || compare "$volume"
done
rm -rf "$place/labels.ome.zarr"
printf '\n'
mkdir "$place/work"
"$bin/bench_imaging" "$place/work" "$place"/*.ome.zarr
