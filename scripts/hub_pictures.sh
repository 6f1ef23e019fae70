#!/bin/bash
# Makes the pictures of docs/HUB_USE.md again, in a real browser, with the real tierd, tieragent and tierweb.
#   scripts/hub_pictures.sh [IMAGES]             of the images in the folder IMAGES: cell-painting.tif (channels),
#                                                nuclei.tif (a plane) and nuclei-volume.tif; others are listed. Without
#                                                it, of images that the script makes
#   scripts/hub_pictures.sh --all FOLDER [IMAGES]
#                                                into FOLDER: every page, 1280 and 400 pixels wide, light and dark, with
#                                                nothing to show, with much, and with each part of the system away
# The pages are those of a person "ada" on a machine "scope1", whatever this one is called.
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/tier.sh
source "$repository/scripts/tier.sh"

export PICTURES=$repository/docs/hub ALL=''
time_limit_s=300
given=("$@")
if [ "${1:-}" = --all ]; then
  [ -n "${2:-}" ] || die "--all needs a folder for the pictures"
  mkdir -p "$2"
  PICTURES=$(cd "$2" && pwd) ALL=yes time_limit_s=1800
  shift 2
fi
images=${1:-}
if [ -n "$images" ]; then
  for name in cell-painting nuclei nuclei-volume; do
    [ -e "$images/$name.tif" ] || die "$images/$name.tif is missing"
  done
fi

if [ -z "${TIERHUB_BIN_DIR:-}" ]; then "$repository/scripts/build.sh"; fi
build_page
use_node
install_packages "${web_packages[@]}" python3-pil
# Mounts and a name of its own.
if [ "$(id -u)" = 0 ] && [ -z "${TIERHUB_OWN_MOUNTS:-}" ]; then
  TIERHUB_OWN_MOUNTS=1 TIERHUB_BIN_DIR=$bin exec unshare --mount --uts --propagation private "$0" "${given[@]}"
fi
prepare_tier "${given[@]}"
others=()
before_clean_up() {
  local pid
  for pid in "${others[@]}"; do
    kill -CONT "$pid" 2>/dev/null || true
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  umount /etc/passwd 2>/dev/null || true
}
# start PROGRAM...: its number is in $started.
start() {
  setpriv --pdeathsig KILL -- "$@" &
  started=$!
  others+=("$started")
}

# The person, for these processes alone.
hostname scope1
cp /etc/passwd "$place/passwd"
echo "ada:x:12345:12345:Ada:$place/home:/bin/sh" >>"$place/passwd"
mount --bind "$place/passwd" /etc/passwd
mkdir "$place/home"
chown 12345:12345 "$place/home"

atlas=$archive/atlas
mkdir -p "$atlas" "$archive/screens" "$archive/to do"
if [ -n "$images" ]; then
  cp -rL "$images/." "$atlas/"
else
  imgop synth --nuclei 60 --touching 0.2 --shape 395,695 --seed 2 --translocation 0.6 --out "$place/cells.ome.zarr"
  imgop convert --in "$place/cells.ome.zarr" --out "$atlas/cell-painting.tif"
  imgop synth --nuclei 120 --touching 0.2 --shape 512,512 --seed 4 --out "$place/nuclei.ome.zarr"
  imgop convert --in "$place/nuclei.ome.zarr" --out "$atlas/nuclei.tif"
  imgop synth --nuclei 40 --touching 0.1 --shape 48,192,192 --seed 5 --out "$place/volume.ome.zarr"
  imgop convert --in "$place/volume.ome.zarr" --out "$atlas/nuclei-volume.tif"
fi >/dev/null
# A volume with its labels.
imgop synth --nuclei 24 --touching 0.1 --shape 32,128,128 --seed 7 --out "$atlas/spheroid.ome.zarr" >/dev/null
imgop nuclei --diameter 14 --in "$atlas/spheroid.ome.zarr" --into "$atlas/spheroid.ome.zarr" >/dev/null

# A plate of 4 x 6 wells with two fields each, of which one well was not imaged. The cells of the columns differ.
plate=$archive/screens/translocation.ome.zarr
mkdir -p "$plate"
echo '{"zarr_format": 2}' >"$plate/.zgroup"
wells='' seed=0
for row in 0 1 2 3; do
  for column in 0 1 2 3 4 5; do
    letter=$(printf "\\x$(printf %x $((65 + row)))")
    well=$letter/$((column + 1))
    [ "$well" != C/2 ] || continue
    wells+="${wells:+, }{\"path\": \"$well\", \"rowIndex\": $row, \"columnIndex\": $column}"
    mkdir -p "$plate/$well"
    echo '{"zarr_format": 2}' | tee "$plate/$letter/.zgroup" >"$plate/$well/.zgroup"
    echo '{"well": {"version": "0.4", "images": [{"path": "0"}, {"path": "1"}]}}' >"$plate/$well/.zattrs"
    for field in 0 1; do
      seed=$((seed + 1))
      imgop synth --nuclei $((8 + 4 * row)) --touching 0.1 --shape 192,192 --seed $seed \
        --translocation "$(awk -v c=$column 'BEGIN { print 1 - c / 6 }')" --out "$place/field.ome.zarr" >/dev/null
      mv "$place/field.ome.zarr" "$plate/$well/$field"
    done
  done
done
names() { printf '{"name": "%s"}\n' "$@" | paste -sd , -; }
{
  echo '{"plate": {"version": "0.4", "name": "Translocation",'
  echo "\"rows\": [$(names A B C D)], \"columns\": [$(names 1 2 3 4 5 6)], \"wells\": [$wells]}}"
} >"$plate/.zattrs"

# What pages must cope with: a long name, one with signs, a damaged image, a file that is none.
long=20261130_HeLa-H2B-mCherry_siRNA-plate-0007_rep3_60x-oil_NA1.4_561nm-40pc_dz200nm_drift-corrected_final_v2.tif
cp "$atlas/nuclei.tif" "$archive/screens/$long"
cp "$atlas/nuclei.tif" "$archive/screens/100 % näive #1?.tif"
head -c 3000 "$atlas/nuclei.tif" >"$archive/screens/broken.tif"
echo 'Stained on Monday.' >"$archive/screens/notes.txt"
chown -R 12345:12345 "$archive"
find "$archive" -exec touch --no-dereference --date '3 days ago' {} +

chmod 711 "$place" "$mount"
start_tierd
wait_for 60 "the archive has been imported" test -e "$mount/screens/translocation.ome.zarr/.zattrs"
tierctl prefetch --wait /atlas /screens/translocation.ome.zarr/A /screens/translocation.ome.zarr/B >/dev/null 2>&1
start tieragent --watch "$mount/jobs" --require-mount "$mount" --work "$place/work" --workers 2 --allow-root 2>"$place/agent.log"
export TIERD=$tierd_pid AGENT=$started
wait_for 30 "the agent watches" test -d "$mount/jobs/incoming"
SUDO_USER=ada start tierweb --here --socket "$TIERHUB_SOCKET" --page "$repository/web/dist" >"$place/tierweb.log" 2>&1
export TIERWEB=$started
wait_for 30 "tierweb prints its link" grep -q 'token=' "$place/tierweb.log"
LINK=$(grep -o 'http://127.0.0.1:[^ ]*token=[^ ]*' "$place/tierweb.log" | head -n 1)
export LINK MOUNT=$mount PLACE=$place

# The hub for everybody: its page to sign in, where no password is right.
if [ -n "$ALL" ]; then
  mkdir "$place/pam"
  echo 'auth requisite pam_deny.so' >"$place/pam/tierweb"
  port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
  start tierweb --socket "$TIERHUB_SOCKET" --page "$repository/web/dist" --listen "127.0.0.1:$port" --user nobody \
    --runtime-folder "$place/run" --pam-folder "$place/pam" --first-uid 1000 >"$place/login.log" 2>&1
  export SIGN_IN=http://127.0.0.1:$port
  wait_for 30 "tierweb answers" curl -sf "$SIGN_IN/" -o /dev/null
fi

start timeout --kill-after=10 "$time_limit_s" node "$repository/web/scripts/pictures.mjs"
wait "$started"
# The documents have small ones.
[ -n "$ALL" ] || /usr/bin/python3 - "$PICTURES"/*.png <<'EOF'
import os, sys
from PIL import Image
for path in sys.argv[1:]:
    picture = Image.open(path).convert("RGB")
    for width in (1280, 1000, 800, 640):
        small = picture.resize((width, round(picture.height * width / picture.width)), Image.LANCZOS)
        small.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        if os.path.getsize(path) < 150_000:
            break
EOF
