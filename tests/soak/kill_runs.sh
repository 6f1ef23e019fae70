#!/bin/bash
# Runs on a Slurm cluster of this machine, in each of which one of these gets SIGKILL at a random moment: the agent, the runner,
# tierd, slurmctld, or a slurmd with all that runs on its node. After each run: every task whose end is on record ran no more after
# it, the result is the expected one, and ten seconds after the end nothing of the run is left, neither a process nor a job.
#   tests/soak/kill_runs.sh [RUNS [SEED]]     50 runs: half an hour. TIERHUB_BIN_DIR: the programs. Needs root and /dev/fuse
# Prints the seed and a line for each run. Exit code 1: a run broke its promise; its folder and the logs are printed.
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"
# shellcheck source=scripts/tier.sh
source "$repository/scripts/tier.sh"

runs=${1:-50} seed=${2:-$RANDOM}
tasks=12
patience=180  # seconds for one run, whatever happens to it
agent=''
cluster=''
RANDOM=$seed

sandbox() { "$repository/scripts/slurm-sandbox.sh" "$1" "$cluster" "${@:2}" >/dev/null; }

before_clean_up() {
  [ -z "$agent" ] || { kill "$agent" && wait "$agent"; } 2>/dev/null || true
  [ -z "$cluster" ] || sandbox stop || true
}

start_agent() {
  tieragent --watch "$mount/jobs" --require-mount "$mount" --work "$place/work" --allow-root --workers 6 \
    --config "$place/agent.yaml" >>"$place/agent.log" 2>&1 &
  agent=$!
  wait_for 60 "the agent watches" test -d "$mount/jobs/incoming"
}

# Each attempt notes when it began, and what became of it is the same whenever and wherever it runs.
write_workflow() {  # MARKS
  cat <<END
workflow: kill
input: {dataset: "data/*.txt"}
scatter: {by: file}
steps:
  - id: work
    retry: 2
    run: [sh, -c, 'echo "\$(basename "\$0") \$(date +%s%N)" >> $1; sleep 0.7; sha256sum < "\$0" > "\$1.new"; mv "\$1.new" "\$1"', "{input}", "{work}/{name}"]
  - id: join
    gather: work
    run: [sh, -c, 'cat "\$0"/??? > "\$1"', "{work}", "{output}/all"]
output: results/{run}
END
}

# In the session of the agent's child: the runner of a run.
runner_of() {  # RUN
  local pid
  for pid in $(pgrep -P "$agent" || true); do
    ! tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qx -- "--run=$1" || echo "$pid"
  done
}

strike() {  # VICTIM RUN
  local pid node
  case $1 in
    agent)
      kill -KILL "$agent"
      wait "$agent" 2>/dev/null || true
      start_agent
      ;;
    runner) pid=$(runner_of "$2") && [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true ;;
    tierd)
      kill -KILL "$(pgrep -P "$tierd_pid" -x tierd | head -n 1)" 2>/dev/null || true
      wait_for 60 "tierd answers" tierctl status
      ;;
    slurmctld)
      sandbox controller kill
      sleep $((RANDOM % 3))
      sandbox controller start
      ;;
    slurmd)
      node=node$((RANDOM % 3 + 1))
      sandbox kill $node
      sleep $((RANDOM % 3))
      sandbox revive $node
      ;;
  esac
}

processes_of() {  # RUN
  grep -lazE "^(TIERHUB_RUN=$1|SLURM_JOB_NAME=tierhub-$1.*)\$" /proc/[0-9]*/environ 2>/dev/null || true
}
# A job whose processes have ended is COMPLETING until slurmctld has heard so from a slurmd that was killed: about a minute.
jobs_of() {  # RUN
  SLURM_CONF=$cluster/slurm.conf squeue --noheader --states=PENDING,CONFIGURING,RUNNING --format=%j 2>/dev/null |
    grep "tierhub-$1" || true
}

# The complaints about a run that has ended, if there are any.
judge() {  # RUN_FOLDER MARKS
  python3 - "$1" "$2" "$tasks" <<'PYTHON'
import collections, datetime, json, os, sys
folder, marks, tasks = sys.argv[1], sys.argv[2], int(sys.argv[3])
ends, records = {}, collections.Counter()
for line in open(folder + "/tasks.jsonl"):
    record = json.loads(line)
    if record.get("step") != "work" or record.get("state", "done") != "done":
        continue
    when = datetime.datetime.fromisoformat(record["end"].replace("Z", "+00:00"))
    name = "%03d.txt" % record["task"]
    records[name] += 1
    ends.setdefault(name, when.timestamp())
if len(records) != tasks:
    print("%d of %d tasks are on record" % (len(records), tasks))
for name, count in records.items():
    if count != 1:
        print(name, "is on record", count, "times")
for line in open(marks):
    name, began = line.split()
    # Times on record are cut to milliseconds.
    if name in ends and int(began) / 1e9 > ends[name] + 0.001:
        print(name, "began", int(began) / 1e9 - ends[name], "s after its end was on record")
PYTHON
}

one_run() {  # NUMBER
  local victims=(agent runner tierd slurmctld slurmd) victim delay run='' ended='' marks complaints end attempts
  victim=${victims[RANDOM % 5]}
  delay=$((RANDOM % 50))
  marks=$place/marks-$1
  : >"$marks"
  write_workflow "$marks" >"$mount/jobs/kill$1.part"
  mv "$mount/jobs/kill$1.part" "$mount/jobs/incoming/kill$1.yaml"
  wait_for 60 "run $1 begins" sh -c "ls -d '$mount'/jobs/*/kill$1-2*"
  run=$(basename "$(ls -d "$mount/jobs"/*/kill"$1"-2* | head -n 1)")
  sleep "$((delay / 10)).$((delay % 10))"
  strike "$victim" "$run"
  end=$((SECONDS + patience))
  until ended=$(ls -d "$mount"/jobs/{done,failed}/"$run" 2>/dev/null || true) && [ -n "$ended" ]; do
    [ $SECONDS -lt $end ] || { tail -n 20 "$mount/jobs/running/$run/run.log" >&2; die "run $1 ($victim) does not end within $patience s"; }
    sleep 0.2
  done
  complaints=$(judge "$ended" "$marks")
  [[ $ended == */done/* ]] || complaints+=" it failed: $(head -n 5 "$ended/REPORT.txt" | tr '\n' ' ')"
  [[ $ended != */done/* ]] || cmp -s "$place/expected" "$mount/results/$run/all" || complaints+=" its result differs"
  end=$((SECONDS + 10))
  until [ -z "$(processes_of "$run")$(jobs_of "$run")" ]; do
    if [ $SECONDS -ge $end ]; then
      complaints+=" left after 10 s: $(processes_of "$run" | tr '\n' ' ') $(jobs_of "$run" | tr '\n' ' ')"
      break
    fi
    sleep 0.2
  done
  attempts=$(wc -l <"$marks")
  echo "run $1: $victim after $((delay / 10)).$((delay % 10)) s: $attempts starts of $tasks tasks${complaints:+: $complaints}"
  [ -z "$complaints" ] && return
  cat "$ended/run.log" >&2
  die "run $1 broke a promise; seed $seed"
}

TIERHUB_BIN_DIR=${TIERHUB_BIN_DIR:-$repository/build/release/bin}
prepare_tier "$@"
chmod 755 "$place"
cluster=$place/slurm
"$repository/scripts/slurm-sandbox.sh" start "$cluster" 3 2 >/dev/null
cat >"$place/agent.yaml" <<YAML
executor: slurm
slurm: {nodes: 3, processors: 2, memory: 1GiB, time: 30m, lease_s: 5, slurm_conf: $cluster/slurm.conf}
YAML
mkdir -p "$archive/data" "$place/work"
for ((i = 0; i < tasks; i++)); do echo "$i" >"$archive/data/$(printf %03d "$i").txt"; done
for file in "$archive"/data/*.txt; do sha256sum <"$file"; done >"$place/expected"
find "$archive/data" -exec touch -d '1 hour ago' {} +
# SIGKILL for tierd is no crash loop.
tierd_options=()
start_tierd
start_agent
echo "seed $seed"
for ((number = 1; number <= runs; number++)); do one_run "$number"; done
kill "$agent" && wait "$agent" || die "the agent did not stop cleanly"
agent=''
stop_tierd
echo "$runs runs kept all promises"
