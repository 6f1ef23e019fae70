#!/bin/bash
# How long a count of nuclei over blocks takes on cold data behind a slow archive: TierHub, and what a user would write otherwise
# with Snakemake or dask and scikit-image.
#   bench/pipeline.sh [Z,Y,X [ROUNDS]]      768,512,512 voxels, 3 rounds if not given: about 20 minutes
# The archive is a file system that delivers so many bytes a second that bringing the volume takes as long as computing on it.
# Each round measures all of them once; the table shows medians. The count reads the volume twice, and its second pass begins when
# the first has seen all of it; so a median filter, which reads it once and needs nothing at the end, shows how well bringing and
# computing overlap. Last, an SSD that holds a third of the volume.
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=scripts/tier.sh
source "$repository/scripts/tier.sh"

shape=${1:-768,512,512}
rounds=${2:-3}
size=32,${shape#*,}  # slabs, as thick as the chunks
threads=$(nproc)
agent_pid='' slowfs_pid=''

stop_agent() {
  [ -z "$agent_pid" ] || { kill "$agent_pid" && wait "$agent_pid"; } || true
  agent_pid=''
}
before_clean_up() { stop_agent; }
after_tierd() {
  [ -z "$slowfs_pid" ] || { kill "$slowfs_pid" && wait "$slowfs_pid"; } || true
}

# deliver RATE: bytes a second of the archive from now on; 0 is as fast as it can.
deliver() {
  if [ "$1" = 0 ]; then : >"$place/faults"; else echo "rate $1" >"$place/faults"; fi
}

# seconds COMMAND...: of the wall, into $took.
seconds() {
  local begin
  begin=$(date +%s%N)
  "$@" >"$place/said.log" 2>&1 || die "failed: $*"
  took=$(awk -v ns=$(($(date +%s%N) - begin)) 'BEGIN { printf "%.2f", ns / 1e9 }')
}

median_of() { sort -n "$place/$1.s" | awk '{ s[NR] = $1 } END { printf "%.1f", (s[int((NR + 1) / 2)] + s[int(NR / 2) + 1]) / 2 }'; }
calculate() { awk "BEGIN { printf \"$1\", $2 }"; }
brought() { tierctl status --json | tr ',' '\n' | awk -F: '/"(prefetch_bytes|recall_bytes)"/ { n += $2 } END { printf "%d", n }'; }

# An SSD with nothing on it.
start_empty() {
  rm -rf "${scratch:?}"/* "$place/jobs" "$place/real/results"
  start_tierd
  tieragent --watch "$place/jobs" --workers "$threads" --work "$place/work" --allow-root 2>"$place/agent.log" &
  agent_pid=$!
  wait_for 30 "the agent watches" test -d "$place/jobs/incoming"
}
stop_all() {
  stop_agent
  stop_tierd
}

workflow() {  # count|median
  local z y x halo=8
  IFS=, read -r z y x <<<"$size"
  [ "$1" = count ] || halo=0  # of planes: this median is one of each plane
  cat <<END
workflow: $1
input: {dataset: scan/volume.ome.zarr, select: {level: 0}}
scatter: {by: block, size: {z: $z, y: $y, x: $x}, halo: {z: $halo, y: 8, x: 8}}
output: results/$1
steps:
END
  if [ "$1" = count ]; then
    cat <<END
  - id: histogram
    run: [imgop, histogram, --in, "{input}", --box, "{box}", --halo, "{halo}", --out, "{work}/histogram/{task}.json"]
  - id: threshold
    gather: histogram
    run: [imgop, threshold, --otsu, "{work}/histogram", --select, "{select}", --out, "{work}/threshold.json"]
  - id: segment
    after: threshold
    run: [imgop, segment, --connectivity, face, --threshold, "@{work}/threshold.json", --in, "{input}", --box, "{box}", --halo, "{halo}", --out, "{work}/labels/{task}.zarr"]
  - id: merge
    gather: segment
    run: [imgop, merge-labels, --in, "{work}/labels", --select, "{select}", --table, "{output}/objects.csv", --out, "{output}/labels.ome.zarr"]
END
  else
    cat <<END
  - id: median
    run: [imgop, median, --radius, "2", --radius-z, "0", --in, "{input}", --box, "{box}", --halo, "{halo}", --out, "{output}/median.ome.zarr"]
END
  fi
}

has_ended() { compgen -G "$place/jobs/done/*" || compgen -G "$place/jobs/failed/*"; }
run_workflow() {  # count|median
  workflow "$1" >"$place/jobs/incoming/.$1"
  mv "$place/jobs/incoming/.$1" "$place/jobs/incoming/$1.yaml"
  wait_for 900 "the run ends" has_ended
  [ -e "$mount/results/$1" ] || { cat "$place"/jobs/failed/*/REPORT.txt; return 1; }
  [ "$1" = median ] || count=$(($(wc -l <"$mount/results/count/objects.csv") - 1))
}

# run_from_empty hot|cold count|median: seconds of a run whose volume is on the SSD, or is not, into $took.
run_from_empty() {
  start_empty
  if [ "$1" = hot ]; then
    tierctl prefetch --wait "$mount/scan" >/dev/null 2>&1
  fi
  seconds run_workflow "$2"
  bytes_brought=$(brought)
  stop_all
}

# Seconds until the volume is on the SSD, into $took.
bring() {
  start_empty
  seconds tierctl prefetch --wait "$mount/scan"
  stop_all
}

with_snakemake() {
  rm -rf "$place/snakemake"
  mkdir "$place/snakemake"
  snakemake --snakefile "$repository/bench/pipeline/Snakefile" --directory "$place/snakemake" --cores "$threads" --quiet all \
    --config "volume=$volume" "blocks=$blocks" python=/usr/bin/python3
  count=$(cat "$place/snakemake/count.txt")
}

with_dask() {
  /usr/bin/python3 "$repository/bench/pipeline/count_with_dask.py" "$volume" "$size" "$threads" >"$place/dask.txt"
  count=$(cat "$place/dask.txt")
}

# The boxes of all blocks, as blocks.py takes them.
blocks_of() {  # SHAPE SIZE
  awk -v shape="$1" -v size="$2" 'BEGIN {
    split(shape, n, ","); split(size, s, ",")
    for (z = 0; z < n[1]; z += s[1]) for (y = 0; y < n[2]; y += s[2]) for (x = 0; x < n[3]; x += s[3])
      printf "%d:%d,%d:%d,%d:%d ", z, least(z + s[1], n[1]), y, least(y + s[2], n[2]), x, least(x + s[3], n[3])
  } function least(a, b) { return a < b + 0 ? a : b + 0 }'
}

row() { printf '| %-44s | %8s | %8s | %8s |\n' "$1" "$2" "$3" "$4"; }

install_packages "${build_packages[@]}" snakemake python3-dask python3-numpy python3-scipy python3-skimage python3-zarr python3-numcodecs
if [ -z "${TIERHUB_BIN_DIR:-}" ]; then build_preset release tierd tierctl tieragent imgop slowfs; fi
export TIERHUB_BIN_DIR=$repository/build/release/bin
prepare_tier "$@"
mkdir -p "$place/real/scan" "$place/work"
imgop synth --nuclei "$(awk -v s="$shape" 'BEGIN { split(s, n, ","); printf "%d", n[1] * n[2] * n[3] / 70000 }')" --shape "$shape" --seed 7 --out "$place/real/scan/volume.ome.zarr" >/dev/null
find "$place/real" -exec touch --no-dereference --date '1 hour ago' {} +
bytes=$(find "$place/real/scan/volume.ome.zarr" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%d", n }')
blocks=$(blocks_of "$shape" "$size")
volume=$archive/scan/volume.ome.zarr
: >"$place/faults"
slowfs "$place/real" "$archive" --delay-ms 1 --faults "$place/faults" >"$place/slowfs.log" 2>&1 &
slowfs_pid=$!
wait_for 20 "the slow archive is mounted" mountpoint -q "$archive"

# Which rates make bringing as long as computing.
run_from_empty hot count
rate=$(calculate %d "$bytes / $took")
run_from_empty hot median
rate_of_median=$(calculate %d "$bytes / $took")
say "the volume has $bytes bytes; the archive delivers $rate bytes a second, and $rate_of_median for the median filter"

for ((round = 1; round <= rounds; ++round)); do
  deliver 0
  run_from_empty hot median
  echo "$took" >>"$place/median-hot.s"
  run_from_empty hot count
  echo "$took" >>"$place/hot.s"
  deliver "$rate_of_median"
  bring
  echo "$took" >>"$place/median-bring.s"
  run_from_empty cold median
  echo "$took" >>"$place/median-cold.s"
  deliver "$rate"
  bring
  echo "$took" >>"$place/bring.s"
  run_from_empty cold count
  echo "$took" >>"$place/tierhub.s"
  echo "$count" >"$place/tierhub.count"
  once=$bytes_brought
  for other in snakemake dask; do
    seconds "with_$other"
    echo "$took" >>"$place/$other.s"
    echo "$count" >"$place/$other.count"
  done
done

printf 'capacity: %s\nreserve: 16MiB\n' "$((bytes / 3 + (16 << 20)))" >"$place/small.yaml"
tierd_options=(--config "$place/small.yaml")
run_from_empty cold count

printf '\nbench/pipeline.sh %s %s: %s MB, %s processors, archive of %s MB/s\n\n' "$shape" "$rounds" "$((bytes / 1000000))" "$threads" \
  "$((rate / 1000000))"
row "the same count over blocks" "wall s" objects "x ours"
printf '|:---------------------------------------------|---------:|---------:|---------:|\n'
ours=$(median_of tierhub)
row "TierHub, cold" "$ours" "$(cat "$place/tierhub.count")" 1.00
for other in snakemake dask; do
  row "$other and scikit-image, cold" "$(median_of $other)" "$(cat "$place/$other.count")" "$(calculate %.2f "$(median_of $other) / $ours")"
done
row "only bringing the volume" "$(median_of bring)" "" "$(calculate %.2f "$(median_of bring) / $ours")"
row "only computing, hot" "$(median_of hot)" "" "$(calculate %.2f "$(median_of hot) / $ours")"
longer() { awk -v a="$(median_of "$1")" -v b="$(median_of "$2")" 'BEGIN { print (a > b ? a : b) }'; }
printf '\nmedian filter: bringing %s s, computing %s s, a cold run %s s: %s of the longer (goal: 1.15)\n' "$(median_of median-bring)" \
  "$(median_of median-hot)" "$(median_of median-cold)" "$(calculate %.2f "$(median_of median-cold) / $(longer median-bring median-hot)")"
printf 'the count brought %s of the volume; with an SSD of a third of it %s, in 2 passes and %s s, %s objects\n' \
  "$(calculate %.2f "$once / $bytes")" "$(calculate %.2f "$bytes_brought / $bytes")" "$took" "$count"
