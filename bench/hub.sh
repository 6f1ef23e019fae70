#!/bin/bash
# How long a person waits in the browser hub: a real tierd, tierweb and Chromium on this machine (whose processors draw, too).
#   bench/hub.sh            about 4 minutes
#   FILES=1000000 bench/hub.sh   also the search in that many files: making them takes minutes
# Prints a table; times of data are from the click until the last tile has arrived.
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=scripts/tier.sh
source "$repository/scripts/tier.sh"

install_packages "${web_packages[@]}"
install_node_modules web
build_page
prepare_tier "$@"
hub_pid=''
before_clean_up() { [ -z "$hub_pid" ] || kill "$hub_pid" 2>/dev/null || true; }

imgop synth --nuclei 4000 --shape 24,2048,2048 --seed 5 --out "$place/made.ome.zarr" >/dev/null
mkdir -p "$archive/lab/many" "$archive/native"
imgop convert --in "$place/made.ome.zarr" --out "$archive/lab/scan.ome.zarr"
imgop convert --in "$place/made.ome.zarr" --out "$archive/lab/scan.ome.tif"
imgop synth --nuclei 3 --shape 48,48 --seed 1 --out "$place/small.ome.zarr" >/dev/null
imgop convert --in "$place/small.ome.zarr" --out "$place/small.ome.tif"
for ((i = 0; i < 10000; ++i)); do cp "$place/small.ome.tif" "$archive/lab/many/$(printf 'well_%05d.ome.tif' "$i")"; done
head -c $((256 << 20)) /dev/urandom >"$archive/native/hot"
cp "$archive/native/hot" "$place/hot"
for ((i = 0; i < ${FILES:-0}; i += 10000)); do
  mkdir -p "$archive/files/$i"
  (cd "$archive/files/$i" && seq -f 'frame_%07.0f.tif' "$i" $((i + 9999)) | xargs touch)
done
find "$archive" -exec touch --no-dereference --date '1 hour ago' {} +
start_tierd
tierctl prefetch --wait /lab/scan.ome.zarr /native >/dev/null
"$bin/tierweb" --here --allow-root --page "$repository/web/dist" --socket "$TIERHUB_SOCKET" >"$place/link" 2>"$place/tierweb.log" &
hub_pid=$!
wait_for 20 "tierweb prints its link" grep -q token= "$place/link"
LINK=$(cat "$place/link") MOUNT=$mount NATIVE=$place/hot FILES=${FILES:-0} node "$repository/bench/hub.mjs"
