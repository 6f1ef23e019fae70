#!/bin/bash
# How near a Slurm cluster of this machine comes to what its slots could do with short tasks: so many tasks that wait one second
# each, on nodes of two slots, from the start of the first to the end of the last. Prints a row for each number of nodes, and what as
# many shells take for the same tasks in a loop, which is the floor: a busy machine raises it.
#   bench/cluster.sh [BUILD [TASKS [NODES...]]]     build/release, 600 tasks, on 1 and 3 nodes: 7 minutes. Needs root
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"

build=$(realpath "${1:-$repository/build/release}")
tasks=${2:-600}
shift $(($# < 2 ? $# : 2))
[ $# -gt 0 ] || set -- 1 3
slots=2
place=$(mktemp -d)
chmod 755 "$place"
agent=

stop() {
  [ -z "$agent" ] || { kill "$agent" && wait "$agent" || true; }
  [ ! -e "$place/slurm/slurm.conf" ] || "$repository/scripts/slurm-sandbox.sh" stop "$place/slurm"
  rm -rf --one-file-system "$place"
}
trap stop EXIT

mkdir -p "$place/data"
for ((i = 0; i < tasks; i++)); do echo "$i" >"$place/data/$(printf %04d "$i").txt"; done
cat >"$place/wait.yaml" <<'YAML'
workflow: wait
input: {dataset: "data/*.txt"}
scatter: {by: file}
steps:
  - id: wait
    run: [sh, -c, 'sleep 1; cp "$0" "$1"', "{input}", "{output}/{name}"]
YAML

# Seconds from the first start to the last end, and how many srun were begun.
span() {  # RUN_FOLDER
  python3 - "$1" <<'PYTHON'
import datetime, json, sys
status = json.load(open(sys.argv[1] + "/status.json"))
when = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
tasks = status["tasks"]
if status["state"] != "done" or any(task["attempts"] != 1 for task in tasks):
    sys.exit("the run did not do each task once")
print("%.1f" % (max(when(t["end"]) for t in tasks) - min(when(t["start"]) for t in tasks)).total_seconds())
PYTHON
}

# Seconds that so many shells take for all tasks, from a twentieth of them.
bare_loops() {  # SHELLS
  local each=$(((tasks + 20 * $1 - 1) / (20 * $1))) i begin shells=()
  begin=$(date +%s%N)
  for ((i = 0; i < $1; i++)); do
    (for ((j = 0; j < each; j++)); do sh -c 'sleep 1; cp "$0" "$1"' "$place/data/0000.txt" "$place/copy-$i-$j"; done) &
    shells+=($!)
  done
  wait "${shells[@]}"
  awk -v ns=$(($(date +%s%N) - begin)) -v each="$each" -v all="$tasks" -v shells="$1" 'BEGIN { printf "%.1f", ns / 1e9 / each * all / shells }'
}

measure() {  # NODES
  local folder=$place/on-$1 run end took bare
  bare=$(bare_loops $(($1 * slots)))
  mkdir -p "$folder/jobs"
  "$repository/scripts/slurm-sandbox.sh" start "$place/slurm" "$1" $slots >/dev/null
  cat >"$folder/agent.yaml" <<YAML
executor: slurm
slurm: {nodes: $1, processors: $slots, memory: 1GiB, time: 1h, slurm_conf: $place/slurm/slurm.conf}
YAML
  "$build/bin/tieragent" --watch "$folder/jobs" --work "$folder/work" --socket none --allow-root --workers $(($1 * slots)) \
    --config "$folder/agent.yaml" >"$folder/agent.log" 2>&1 &
  agent=$!
  end=$((SECONDS + 60))
  until [ -d "$folder/jobs/incoming" ]; do [ $SECONDS -lt $end ] || die "the agent does not start"; sleep 0.1; done
  cp -r "$place/data" "$folder/data"
  cp "$place/wait.yaml" "$folder/jobs/incoming/wait.yaml"
  end=$((SECONDS + 60 + 3 * tasks / ($1 * slots)))
  until run=$(ls -d "$folder"/jobs/{done,failed}/wait-* 2>/dev/null || true) && [ -n "$run" ]; do
    [ $SECONDS -lt $end ] || die "the run does not end: $(tail -n 3 "$folder"/jobs/running/*/run.log)"
    sleep 0.5
  done
  took=$(span "$run")
  kill "$agent" && wait "$agent" || true
  agent=
  "$repository/scripts/slurm-sandbox.sh" stop "$place/slurm"
  awk -v n="$1" -v s=$slots -v t="$tasks" -v took="$took" -v one="${first:-$took}" -v bare="$bare" 'BEGIN {
    ideal = t / (n * s)
    printf "| %d x 1 s | %d x %d | %.1f | %.1f | %.1f | %.2f | %.2f | %.2f |\n", t, n, s, ideal, bare, took, took / ideal, took / bare, one / took }'
  first=${first:-$took}
}

echo "load: $(cut -d' ' -f1-3 /proc/loadavg)"
echo "| tasks | nodes x slots | ideal s | bare loops s | took s | took / ideal | took / bare loops | times as fast as the first row |"
echo "|---|---|---|---|---|---|---|---|"
for nodes in "$@"; do measure "$nodes"; done
