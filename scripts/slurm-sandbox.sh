#!/bin/bash
# A Slurm cluster on this machine, out of Debian's packages, for the tests and for scripts/demo.sh --cluster: munge, one slurmctld
# and a slurmd for each node. Needs root. Everything listens on 127.0.0.1 and lies in one folder.
#   scripts/slurm-sandbox.sh start DIR [NODES [SLOTS]]   3 nodes of 2 processors each; prints "export SLURM_CONF=..."
#   scripts/slurm-sandbox.sh stop DIR                    ends all jobs and daemons, and removes DIR
#   scripts/slurm-sandbox.sh kill DIR NODE               SIGKILL for a node's slurmd and all that runs on it: the node died
#   scripts/slurm-sandbox.sh cut DIR NODE                SIGSTOP for a node's slurmd and slurmstepds, not for what they started: it runs on,
#                                                        and nobody reaches it; then kill, and revive
#   scripts/slurm-sandbox.sh revive DIR NODE             starts its slurmd again
#   scripts/slurm-sandbox.sh controller DIR kill|start   SIGKILL for slurmctld, or starts it again
# A node named in TIERHUB_SLURMD_NODE runs below the command TIERHUB_SLURMD_UNDER, such as "unshare -m sh -c '...; exec "$@"' sh".
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

usage() { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }

[ $# -ge 2 ] || usage
command=$1 folder=$(realpath -m "$2")
shift 2

[ "$(id -u)" = 0 ] || die "slurmd starts tasks as other users: run it as root"
install_packages "${slurm_packages[@]}"
PATH=$PATH:/usr/sbin:/sbin
conf=$folder/slurm.conf

# start_daemon NAME COMMAND...: its pid is in NAME.pid.
start_daemon() {
  local name=$1
  shift
  setsid env SLURM_CONF="$conf" "$@" </dev/null >>"$folder/log/$name.out" 2>&1 &
  echo $! >"$folder/$name.daemon"
}

# A process that its parent has not waited for yet runs no more.
runs() {  # PID
  local state
  state=$(ps -o state= -p "$1") && [ "$state" != Z ]
}

kill_daemon() {  # NAME
  [ -e "$folder/$1.daemon" ] || return 0
  local pid
  pid=$(cat "$folder/$1.daemon")
  kill -KILL "$pid" 2>/dev/null || true
  while runs "$pid"; do sleep 0.02; done
  rm -f "$folder/$1.daemon"
}

# Whether nothing listens at 127.0.0.1:PORT.
is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The first of so many ports in a row that are free.
find_ports() {  # COUNT
  local first port attempt
  for attempt in {1..50}; do
    first=$((20000 + (RANDOM * 7 + $$ + attempt) % 11000))
    for ((port = first; port < first + $1; port++)); do is_free "$port" || continue 2; done
    echo "$first"
    return
  done
  die "no free ports"
}

write_configuration() {  # NODES SLOTS
  local host port node
  host=$(hostname -s)
  port=$(find_ports $(($1 + 1)))
  cat >"$conf" <<END
ClusterName=tierhub-sandbox
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
CryptoType=crypto/munge
SlurmctldPort=$port
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=2,sched_min_interval=0,defer_batch
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/log/jobs.txt
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
SlurmctldTimeout=10
SlurmdTimeout=5
MessageTimeout=5
KillWait=2
MinJobAge=300
DefMemPerCPU=256
END
  for ((node = 1; node <= $1; node++)); do
    echo "NodeName=node$node NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + node)) CPUs=$2 RealMemory=4000 State=UNKNOWN"
    mkdir -p "$folder/spool/node$node"
  done >>"$conf"
  echo "PartitionName=sandbox Nodes=node[1-$1] Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO" >>"$conf"
  echo "CgroupPlugin=cgroup/v1" >"$folder/cgroup.conf"
}

start_node() {  # NAME
  local under=()
  [ "${TIERHUB_SLURMD_NODE:-}" != "$1" ] || eval "under=(${TIERHUB_SLURMD_UNDER:-})"
  start_daemon "$1" "${under[@]}" slurmd -D -N "$1"
}

nodes() { sed -nE 's/^NodeName=(node[0-9]+) .*/\1/p' "$conf"; }

are_idle() {
  local states
  states=$(SLURM_CONF=$conf sinfo --noheader --Node --format=%T 2>/dev/null) || return 1
  [ "$(grep -cx idle <<<"$states")" = "$(nodes | wc -l)" ]
}

start_all() {  # [NODES [SLOTS]]
  [ ! -e "$conf" ] || die "$folder already has a cluster: stop it first"
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  conf=$folder/slurm.conf
  chmod 755 "$folder"
  mkdir -m 755 -p "$folder"/{munge,state,log,spool}
  head -c 128 /dev/urandom >"$folder/munge/key"
  chmod 400 "$folder/munge/key"
  write_configuration "${1:-3}" "${2:-2}"
  start_daemon munged munged --foreground --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
    --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
  local end=$((SECONDS + 30)) node
  until [ -S "$folder/munge/socket" ]; do [ $SECONDS -lt $end ] || die "munged does not start: $(cat "$folder/log/munged.out")"; sleep 0.02; done
  start_daemon slurmctld slurmctld -D -c
  for node in $(nodes); do start_node "$node"; done
  until are_idle; do
    [ $SECONDS -lt $end ] || { tail -n 5 "$folder"/log/*.log >&2; die "the nodes are not idle after 30 s"; }
    sleep 0.05
  done
  echo "export SLURM_CONF=$conf"
}

# The processes that started below these pids, and theirs.
below() {  # PID...
  local rows found=" $* " more=yes pid parent
  rows=$(ps -eo pid=,ppid=)
  while [ $more = yes ]; do
    more=no
    while read -r pid parent; do
      if [[ $found == *" $parent "* && $found != *" $pid "* ]]; then found+="$pid " more=yes; fi
    done <<<"$rows"
  done
  echo "$found"
}

# Each slurmstepd has the configuration in its environment, and what it starts knows the node.
steps_on() {  # NODE, or nothing for all
  local pid child
  for pid in $(pgrep -x slurmstepd || true); do
    grep -qazx "SLURM_CONF=$conf" "/proc/$pid/environ" 2>/dev/null || continue
    for child in $(below "$pid"); do
      if [ -z "${1:-}" ] || grep -qazx "SLURMD_NODENAME=$1" "/proc/$child/environ" 2>/dev/null; then
        echo "$pid"
        break
      fi
    done
  done
}

# All at once, so that no slurmstepd is left to report the end of its task.
kill_steps() {  # [NODE]
  local steps
  steps=$(steps_on "${1:-}")
  [ -n "$steps" ] || return 0
  # shellcheck disable=SC2046,SC2086
  kill -KILL $(below $steps) 2>/dev/null || true
}

# What was started by a slurmstepd that is stopped may have ended meanwhile: then nothing else tells the node of it.
kill_what_was_cut() {  # NODE
  local pid
  for pid in $(cat "$folder/$1.cut" 2>/dev/null || true); do
    ! grep -qazx "SLURM_CONF=$conf" "/proc/$pid/environ" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
  done
  rm -f "$folder/$1.cut"
}

stop_all() {
  [ -e "$conf" ] || return 0
  local node
  for node in $(nodes); do kill_what_was_cut "$node"; done
  kill_steps
  for node in $(nodes) slurmctld munged; do kill_daemon "$node"; done
  kill_steps
  rm -rf --one-file-system "$folder"
}

case $command in
  start) start_all "$@" ;;
  stop) stop_all ;;
  kill)
    [ $# = 1 ] || usage
    kill_daemon "$1"
    kill_what_was_cut "$1"
    kill_steps "$1"
    ;;
  cut)
    [ $# = 1 ] || usage
    # shellcheck disable=SC2046
    echo "$(cat "$folder/$1.daemon")" $(steps_on "$1") >"$folder/$1.cut"
    # shellcheck disable=SC2046
    kill -STOP $(cat "$folder/$1.cut")
    ;;
  revive)
    [ $# = 1 ] || usage
    start_node "$1"
    ;;
  controller)
    case ${1:-} in
      kill) kill_daemon slurmctld ;;
      start) start_daemon slurmctld slurmctld -D ;;
      *) usage ;;
    esac
    ;;
  *) usage ;;
esac
