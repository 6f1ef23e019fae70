#!/bin/bash
# How long a small job waits until its first task runs: the agent is idle, the data is on the SSD.
#   bench/job_start.sh [TIMES]...     10 if not given
# Prints the median and the longest, in seconds, of jobs that were renamed into incoming/ and of jobs that were copied there.
# The end of the wait is when the task's own program looks at the clock.
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=scripts/tier.sh
source "$repository/scripts/tier.sh"

agent_pid=''
before_clean_up() {
  [ -z "$agent_pid" ] || { kill "$agent_pid" && wait "$agent_pid"; } || true
}

workflow() {
  cat <<END
workflow: start
input: {dataset: data/small.txt}
steps:
  - {id: look, run: [sh, -c, 'date +%s%N > "\$2"; cat "\$1" > /dev/null', sh, "{input}", "{output}/began"]}
output: results/$1
END
}

has_ended() { [ -e "$mount/results/$1/began" ]; }

# Seconds from `how` to the first task.
start_by() {  # HOW NAME
  local name=$2 dropped
  workflow "$name" >"$jobs/$name.part"
  dropped=$(date +%s%N)
  if [ "$1" = rename ]; then
    mv "$jobs/$name.part" "$jobs/incoming/$name.yaml"
  else
    cp "$jobs/$name.part" "$jobs/incoming/$name.yaml"
  fi
  wait_for 60 "the job $name ends" has_ended "$name"
  awk -v from="$dropped" -v to="$(cat "$mount/results/$name/began")" 'BEGIN { printf "%.3f\n", (to - from) / 1e9 }'
}

measure_start() {  # HOW TIMES
  local i
  for ((i = 0; i < $2; i++)); do start_by "$1" "$1-$i"; done | sort -n |
    awk -v how="$1" '{ s[NR] = $1 } END { printf "%-8s median %.3f s, longest %.3f s, of %d\n", how, (s[int((NR + 1) / 2)] + s[int(NR / 2) + 1]) / 2, s[NR], NR }'
}

prepare_tier "$@"
start_tierd
mkdir "$mount/data"
echo small >"$mount/data/small.txt"
jobs=$mount/jobs
tieragent --watch "$jobs" --require-mount "$mount" --work "$place/work" --allow-root 2>"$place/agent.log" &
agent_pid=$!
wait_for 30 "the agent watches" test -d "$jobs/incoming"
measure_start rename "${1:-10}"
measure_start copy "${1:-10}"
