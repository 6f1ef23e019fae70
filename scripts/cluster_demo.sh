# shellcheck shell=bash
# The part of demo.sh about a cluster: sourced there.


start_cluster() {
  # munge wants to be reached by everybody.
  chmod 711 "$place"
  "$repository/scripts/slurm-sandbox.sh" start "$place/slurm" 3 2 >/dev/null
}

stop_cluster() {
  [ ! -e "$place/slurm/slurm.conf" ] || "$repository/scripts/slurm-sandbox.sh" stop "$place/slurm"
}

# run_on_nodes FILE NODES: then $run is the run's folder, and its output is in $output.
run_on_nodes() {
  cat >"$place/agent.yaml" <<YAML
executor: slurm
slurm: {nodes: $2, processors: 2, memory: 2GiB, time: 30m, slurm_conf: $place/slurm/slurm.conf}
YAML
  start_agent $((2 * $2)) --config "$place/agent.yaml"
  drop_and_follow "$1"
  stop_agent
  output=$(json_value "$run/status.json" output)
}

# Seconds from the start of the first task to the end of the last: what the nodes take, without the queue.
task_seconds() {
  python3 - "$run/status.json" <<'PYTHON'
import datetime, json, sys
tasks = json.load(open(sys.argv[1]))["tasks"]
when = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
print("%.1f" % (max(when(t["end"]) for t in tasks) - min(when(t["start"]) for t in tasks)).total_seconds())
PYTHON
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

node_word() { if [ "$1" = 1 ]; then echo "1 node"; else echo "$1 nodes"; fi; }

# draw_curve FILE SECONDS...: the speed-up by nodes beside the ideal line.
draw_curve() {
  local file=$1
  shift
  awk -v times="$*" 'BEGIN {
    n = split(times, t, " ")
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 420 320\" font-family=\"sans-serif\" font-size=\"13\">"
    print "<title>Speed-up by nodes, for tasks that wait</title><rect width=\"420\" height=\"320\" fill=\"white\"/>"
    for (i = 0; i <= n; ++i) {
      x = 60 + i * 300 / n; y = 260 - i * 220 / n
      printf "<path d=\"M60 %d H360 M%d 260 V40\" stroke=\"#ddd\"/><text x=\"%d\" y=\"280\" text-anchor=\"middle\">%d</text><text x=\"50\" y=\"%d\" text-anchor=\"end\">%d</text>\n", y, x, x, i, y + 4, i
    }
    printf "<path d=\"M60 260 L360 40\" stroke=\"#999\" stroke-dasharray=\"4 4\"/><text x=\"210\" y=\"305\" text-anchor=\"middle\">nodes (dashed: ideal)</text><text x=\"60\" y=\"25\">times as fast as one node</text>\n"
    line = ""
    for (i = 1; i <= n; ++i) {
      x = 60 + i * 300 / n; s = t[1] / t[i]; y = 260 - s * 220 / n
      line = line (i == 1 ? "M" : " L") x " " y
      dots = dots sprintf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"#0b6\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.2f</text>\n", x, y, x - 8, y - 6, s)
    }
    printf "<path d=\"%s\" fill=\"none\" stroke=\"#0b6\" stroke-width=\"2\"/>\n%s</svg>\n", line, dots
  }' >"$file"
}

demo_of_a_cluster() {
  local tasks=${TIERHUB_DEMO_TASKS:-48} nodes times=() scan=brain42/scan.ome.zarr
  heading "A Slurm cluster of 3 nodes, 2 processors each, all of them on this machine"
  start_cluster
  mkdir -p "$archive/brain42" "$archive/list"
  for ((i = 0; i < tasks; i++)); do echo "$i" >"$archive/list/$(printf %03d "$i").txt"; done
  imgop synth --nuclei 60 --touching 0.2 --shape 64,256,256 --seed 7 --out "$archive/$scan"
  age_files "$archive/brain42"
  age_files "$archive/list"
  start_tierd

  heading "$tasks tasks that wait one second each"
  cat >"$place/wait.yaml" <<'YAML'
workflow: wait
input: {dataset: "list/*.txt"}
scatter: {by: file}
steps:
  - id: wait
    run: [sh, -c, 'sleep 1; cp "$0" "$1"', "{input}", "{output}/{name}"]
output: results/{user}/{workflow}/{run}
YAML
  for nodes in 1 2 3; do
    run_on_nodes "$place/wait.yaml" $nodes
    times+=("$(task_seconds)")
    echo "$(node_word $nodes)  ${times[-1]} s from the first task to the last, $(ratio "${times[0]}" "${times[-1]}") times as fast as 1 node;" \
      "with the queue $(json_value "$run/status.json" wall_s) s"
    rm -rf "${results:?}/waited-$nodes"
    cp -r "$output" "$results/waited-$nodes"
    diff -r "$results/waited-1" "$results/waited-$nodes" || die "the results on $nodes nodes differ from those on one"
  done
  draw_curve "$results/cluster.svg" "${times[@]}"
  echo "   This curve is of tasks that wait: three nodes share the processors of this machine. The curve: $results/cluster.svg"

  heading "The analysis of a volume, on 1, 2 and 3 nodes"
  {
    cat "$repository/etc/workflows/nuclei-blocks.yaml"
    echo "values: {image: $scan, diameter: 14, block_z: 32, block_yx: 128}"
  } >"$place/nuclei-blocks.yaml"
  for nodes in 1 2 3; do
    run_on_nodes "$place/nuclei-blocks.yaml" $nodes
    rm -rf "${results:?}/nuclei-$nodes"
    cp -r "$output" "$results/nuclei-$nodes"
    diff -r "$results/nuclei-1" "$results/nuclei-$nodes" || die "the results on $nodes nodes differ from those on one"
    echo "$(node_word $nodes)  $(json_value "$run/status.json" wall_s) s; its results equal those of 1 node, byte for byte:" \
      "$(find "$output" -type f | wc -l) files, $(rows "$output/nuclei.csv") nuclei"
  done
  stop_cluster
  stop_tierd
  echo "   unmounted cleanly"
}
