#!/bin/bash
# Shows the whole path once, and checks it: a dataset is cold in the archive, a workflow file is
# dropped, the data is fetched to the fast tier, tasks run in parallel, the results appear, are
# compared with those of the undivided image, and are published to the archive.
#   scripts/demo.sh        on a volume of nuclei that it makes itself, block by block
#   scripts/demo.sh DIR    on a copy of the grey TIFFs in DIR, file by file; DIR is only read
#   scripts/demo.sh --keep [DIR]
#                          the same, and then prints a link to its page: look at the data in your browser
#                          until you end it with Ctrl-C
#   scripts/demo.sh --cluster
#                          one workflow on 1, 2 and 3 nodes of a Slurm cluster that it starts on this machine, and the analysis of
#                          a volume, whose results must not depend on the nodes
# Results are kept in build/demo (or in the folder that TIERHUB_DEMO_OUT names).
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tier.sh
source "$(dirname "$0")/tier.sh"
# shellcheck source=scripts/cluster_demo.sh
source "$(dirname "$0")/cluster_demo.sh"

results=${TIERHUB_DEMO_OUT:-$repository/build/demo}
keep=no cluster=no images=''
case ${1:-} in
  --keep) keep=yes images=${2:-} ;;
  --cluster) cluster=yes ;;
  *) images=${1:-} ;;
esac

heading() { printf '\n== %s\n' "$*"; }

before_clean_up() {
  stop_hub
  stop_agent
  stop_cluster
}

stop_agent() {
  [ -n "$agent_pid" ] || return 0
  kill "$agent_pid" 2>/dev/null || true
  wait "$agent_pid" 2>/dev/null || true
  agent_pid=''
}

start_agent() {  # WORKERS [OPTION...]
  "$bin/tieragent" --watch "$jobs" --workers "$1" --work "$place/work" --allow-root "${@:2}" 2>"$place/agent.log" &
  agent_pid=$!
}

# The page is for whoever called sudo.
start_hub() {
  local options=(--here --page "$page" --socket "$TIERHUB_SOCKET")
  [ "${SUDO_USER:-root}" != root ] || options+=(--allow-root)
  chmod 711 "$place"
  "$bin/tierweb" "${options[@]}" >"$place/link" 2>"$place/tierweb.log" &
  hub_pid=$!
  wait_for 20 "tierweb prints its link" grep -q token= "$place/link"
  link=$(cat "$place/link")
  address=${link%%/login*}
}

stop_hub() {
  [ -n "$hub_pid" ] || return 0
  kill "$hub_pid" 2>/dev/null || true
  wait "$hub_pid" 2>/dev/null || true
  hub_pid=''
}

# page_status ARGUMENT...: of curl, the last one a path; prints the status of the answer, which is in $place/answer.
page_status() {
  curl -sS -b "$place/cookies" -c "$place/cookies" -o "$place/answer" -w '%{http_code}' "${@:1:$#-1}" "$address${!#}"
}

# expect_page STATUS ARGUMENT...
expect_page() {
  local status
  status=$(page_status "${@:2}")
  [ "$status" = "$1" ] || die "the page answered $status instead of $1 to ${!#}: $(head -c 300 "$place/answer")"
}

# A browser without its page: signs in, and gets the pixels of an image.
check_page() {  # FOLDER
  heading "In the browser"
  start_hub
  expect_page 401 /api/session
  expect_page 303 "${link#"$address"}"
  expect_page 200 /
  expect_page 200 "/api/datasets?path=%2F$1"
  local image version tile
  image=$(grep -o '"path": *"[^"]*"' "$place/answer" | sed 's/.*: *"//; s/"$//' | grep "^/$1/" | head -n 1)
  [ -n "$image" ] || die "the page shows no image of $1"
  expect_page 200 "/api/dataset?path=$image"
  version=$(json_value "$place/answer" version)
  expect_page 200 "/img/$version$image/0/0/0/0/0/0"
  tile=$(stat -c %s "$place/answer")
  [ "$(tr -d '\0' <"$place/answer" | head -c 1 | wc -c)" = 1 ] || die "the picture of $image is black"
  rm -f "$place/cookies"
  expect_page 401 "${link#"$address"}"
  echo "   the page shows $image ($tile bytes for its first tile); its link opened it once"
  stop_hub
}

# Stays until a signal comes.
keep_page() {
  heading "In your browser"
  start_agent 2
  start_hub
  echo "   $link"
  echo "   The link works once. Ctrl-C ends everything and unmounts."
  local stay=yes
  trap 'stay=no' INT TERM
  while [ $stay = yes ]; do
    sleep 1 &
    wait $! || true
  done
  trap 'exit 130' INT TERM
  stop_hub
  stop_agent
}

# age_files FOLDER: makes files look old. If a file was changed in the archive a moment ago, tierd waits until it has not changed
# for growing_s.
age_files() { find "$1" -exec touch --no-dereference --date '1 hour ago' {} +; }

# How many files are in which state below a path.
show_states() {
  tierctl ls -r "$1" | awk 'NR > 1 && $1 ~ /^(cold|partial|hot|dirty)$/ { n[$1]++ }
    END { for (state in n) printf "   %d files are %s\n", n[state], state }'
}

# json_number FILE MEMBER: its first value.
json_value() { grep -o "\"$2\": *[^,}]*" "$1" | head -n 1 | sed 's/^[^:]*: *//; s/"//g'; }
status_number() { tierctl status --json >"$place/status.json" && json_value "$place/status.json" "$1"; }

# Shows the run's progress until it has ended; then $run is its folder. The run may move during the search, which find reports
# as a failure.
follow_run() {
  local line waits_for last='' end=$((SECONDS + 240))
  while :; do
    run=$(find "$jobs/done" "$jobs/failed" -mindepth 1 -maxdepth 1 -newer "$place/dropped" 2>/dev/null | head -n 1) || true
    [ -z "$run" ] || break
    [ $SECONDS -lt $end ] || die "the run has not ended after 240 s"
    local status
    status=$(find "$jobs/running" -name status.json 2>/dev/null | head -n 1) || true
    if [ -n "$status" ] && cp "$status" "$place/run.json" 2>/dev/null; then
      line="$(json_value "$place/run.json" state), $(json_value "$place/run.json" tasks_done) of $(json_value "$place/run.json" tasks_total) tasks"
      waits_for=$(json_value "$place/run.json" waits_for)
      [ -z "$waits_for" ] || line="$line, $waits_for"
      [ "$line" = "$last" ] || echo "   $line"
      last=$line
    fi
    sleep 0.2
  done
  [[ $run == "$jobs"/done/* ]] || { cat "$run/REPORT.txt" >&2; die "the run failed"; }
}

# drop_and_follow FILE
drop_and_follow() {
  touch "$place/dropped"
  cp "$1" "$jobs/incoming/.dropping"
  mv "$jobs/incoming/.dropping" "$jobs/incoming/$(basename "$1")"
  follow_run
}

# run_workflow FILE WORKERS: drops it, follows it, keeps its results in $results/WORKERS-workers.
run_workflow() {
  local workers=$2 before_recall
  before_recall=$(status_number recall_bytes)
  start_agent "$workers"
  drop_and_follow "$1"
  stop_agent
  output=$(json_value "$run/status.json" output)
  rm -rf "${results:?}/$workers-workers"
  mkdir -p "$results/$workers-workers"
  cp -r "$output" "$results/$workers-workers/output"
  cp "$run/status.json" "$run/REPORT.txt" "$results/$workers-workers/"
  [ "$(status_number recall_bytes)" = "$before_recall" ] || die "tasks had to wait for data that was not staged"
  echo "   wall time $(json_value "$run/status.json" wall_s) s; one after the other, the tasks take" \
    "$(json_value "$run/status.json" serial_equivalent_s) s"
}

# Runs it cold with 1 worker, evicts, and again with 2.
run_cold_twice() {  # WORKFLOW INPUT
  find "$archive/$2" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }' >"$results/selected_bytes"
  heading "With 1 worker"
  run_workflow "$1" 1
  cp "$place/status.json" "$results/status.json"
  heading "After the run the data is on the fast tier"
  show_states "$mount/$2"
  echo "   fetched before it was needed: $(status_number prefetch_bytes) of $(cat "$results/selected_bytes") bytes;" \
    "while a task waited: $(status_number recall_bytes)"
  heading "The same, cold again, with 2 workers"
  tierctl publish --wait / >/dev/null 2>&1
  tierctl evict "$mount/$2"
  run_workflow "$1" 2
}

rows() { tail -n +2 "$1" | wc -l; }

write_back() {
  heading "Published to the archive, and unmounted"
  tierctl publish --wait / 2>/dev/null
  local in_archive
  in_archive=$(find "$archive/results" -type f | wc -l)
  [ "$in_archive" -gt 0 ] || die "the results are not in the archive"
  echo "   $in_archive result files are in the archive, readable without TierHub"
  stop_tierd
  echo "   unmounted cleanly"
}

demo_of_a_volume() {
  local scan=brain42/scan.ome.zarr
  heading "A volume of nuclei is in the archive"
  mkdir -p "$archive/brain42"
  imgop synth --nuclei 60 --touching 0.2 --shape 64,256,256 --seed 7 --out "$archive/$scan"
  age_files "$archive/brain42"
  start_tierd
  show_states "$mount/$scan"
  {
    cat "$repository/etc/workflows/nuclei-blocks.yaml"
    echo "values: {image: $scan, diameter: 14, block_z: 32, block_yx: 128}"
  } >"$place/nuclei-blocks.yaml"
  run_cold_twice "$place/nuclei-blocks.yaml" "$scan"

  heading "Is it right?"
  imgop nuclei --diameter 14 --in "$archive/$scan" --out "$results/whole.ome.zarr" --table "$results/whole.csv"
  local workers found truth touching
  for workers in 1 2; do
    cmp "$results/whole.csv" "$results/$workers-workers/output/nuclei.csv" ||
      die "the table of the run with $workers workers differs from the one of the whole image"
  done
  found=$(rows "$results/whole.csv")
  truth=$(rows "$archive/brain42/scan.truth.csv")
  touching=$(awk -F, '$NF == 1' "$archive/brain42/scan.truth.csv" | wc -l)
  echo "   both tables equal the one of the undivided image, row by row: $found nuclei; the truth is $truth, of which $touching touch another"
  if [ $((10 * found)) -lt $((9 * truth)) ] || [ $((10 * found)) -gt $((11 * truth)) ]; then
    die "the count differs from the truth by more than 10 %"
  fi
  imgop project --in "$archive/$scan" --labels "$results/2-workers/output/nuclei.ome.zarr" --out "$results/outlines.png"
  echo "   outlines, also between nuclei that touch: $results/outlines.png"
}

demo_of_files() {
  heading "A copy of $images is in the archive"
  mkdir -p "$archive/images"
  find "$images" -maxdepth 1 -type f \( -iname '*.tif' -o -iname '*.tiff' \) -exec cp -t "$archive/images" {} +
  local file count
  count=$(find "$archive/images" -type f | wc -l)
  [ "$count" -gt 0 ] || die "there is no .tif or .tiff in $images"
  age_files "$archive/images"
  start_tierd
  show_states "$mount/images"
  cat >"$place/segment-files.yaml" <<'YAML'
workflow: segment-files
input: {dataset: "images/*"}
scatter: {by: file}
steps:
  - id: segment
    run: [imgop, segment, --sigma, "2", --in, "{input}", --out, "{output}/labels/{name}.ome.zarr", --table, "{output}/tables/{name}.csv"]
output: results/{user}/{workflow}/{run}
YAML
  run_cold_twice "$place/segment-files.yaml" images

  heading "Is it right?"
  for file in "$archive"/images/*; do
    local name
    name=$(basename "${file%.*}")
    imgop segment --sigma 2 --in "$file" --out "$place/whole.ome.zarr" --table "$place/whole.csv"
    for workers in 1 2; do
      cmp "$place/whole.csv" "$results/$workers-workers/output/tables/$name.csv" ||
        die "the table of $name differs from the one made without TierHub"
    done
    imgop project --in "$file" --labels "$results/2-workers/output/labels/$name.ome.zarr" --out "$results/$name.png"
    echo "   $name: $(rows "$place/whole.csv") objects, equal tables; outlines: $results/$name.png"
    rm -rf "$place/whole.ome.zarr"
  done
}

[ -z "$images" ] || images=$(realpath -e "$images") || die "there is no folder $1"
agent_pid=''
hub_pid=''
install_packages curl
[ $cluster = no ] || install_packages "${slurm_packages[@]}"
prepare_tier "$@"
page=${TIERHUB_PAGE_DIR:-$repository/web/dist}
jobs=$place/jobs
mkdir -p "$jobs/incoming" "$results"
if [ $cluster = yes ]; then
  demo_of_a_cluster
  exit
fi
if [ -z "$images" ]; then demo_of_a_volume; else demo_of_files; fi
if [ -z "$images" ]; then check_page brain42; else check_page images; fi
[ $keep = no ] || keep_page
write_back
