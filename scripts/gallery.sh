#!/bin/bash
# Makes the pictures of docs/GALLERY.md again, from images that it makes itself. Builds imgop if needed.
#   scripts/gallery.sh [NAME...]        the pictures of these workflows; default: all
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

pictures=$repository/docs/gallery
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

# Each function makes the pictures of the workflow of its name.

nuclei_files() {
  imgop synth --nuclei 40 --touching 0.3 --shape 256,384 --seed 4 --out image.ome.zarr
  imgop nuclei --diameter 14 --in image.ome.zarr --out nuclei.ome.zarr --table nuclei.csv
  imgop project --in image.ome.zarr --labels nuclei.ome.zarr --out "$pictures/nuclei-files.png"
}

nuclei_blocks() {
  imgop synth --nuclei 60 --touching 0.2 --shape 64,256,384 --seed 7 --out volume.ome.zarr
  imgop nuclei --diameter 14 --in volume.ome.zarr --out volume-nuclei.ome.zarr --table volume.csv
  imgop project --in volume.ome.zarr --labels volume-nuclei.ome.zarr --out "$pictures/nuclei-blocks.png"
}

plate_two_channels() {
  local row column share name seed=0
  for row in B C D E F G; do
    for column in 02 04 06 08 10; do
      share=$(awk "BEGIN { print (12 - $column) / 11 }") name=p_$row$column seed=$((seed + 1))
      imgop synth --nuclei 8 --touching 0 --shape 128,128 --seed $seed --translocation "$share" --out "plate/$name.ome.zarr"
      imgop nuclei --diameter 14 --in "plate/$name.ome.zarr" --select c=0 --out nuclei.ome.zarr
      imgop measure --labels nuclei.ome.zarr --in "plate/$name.ome.zarr" --select c=1 --table "cells/$name.csv"
      imgop ring --from 2 --to 6 --labels nuclei.ome.zarr --in "plate/$name.ome.zarr" --select c=1 --out rings.ome.zarr --table "rings/$name.csv"
    done
  done
  imgop table --in cells --names "p_{well}" --with rings:ring_ --outer \
    --column "translocation = intensity_mean / ring_intensity_mean" --out cells.csv
  imgop table --in cells.csv --summary well --out wells.csv
  imgop heatmap --table wells.csv --column translocation_mean --out "$pictures/plate-two-channels.png"
}

# An OME-Zarr image of 8 bits from the numbers that an awk program prints, one plane after the other.
#   made_image NAME AXIS PLANES PROGRAM
made_image() {
  mkdir -p "$1/0"
  echo '{"zarr_format": 2}' >"$1/.zgroup"
  echo "{\"multiscales\": [{\"version\": \"0.4\", \"axes\": [{\"name\": \"$2\"}, {\"name\": \"y\"}, {\"name\": \"x\"}]," \
    '"datasets": [{"path": "0"}]}]}' >"$1/.zattrs"
  echo "{\"zarr_format\": 2, \"shape\": [$3, 256, 384], \"chunks\": [$3, 256, 384], \"dtype\": \"|u1\"," \
    '"compressor": null, "fill_value": 0, "order": "C", "filters": null}' >"$1/0/.zarray"
  LC_ALL=C awk "BEGIN { srand(5); $4 }" >"$1/0/0.0.0"
}

# Nuclei in one channel, up to 9 spots around each in the other.
spots_per_cell() {
  made_image fish.ome.zarr c 2 '
    s = 0
    for (n = 0; n < 24; n++) {
      y = 32 + 64 * int(n / 6) + rand() * 16 - 8; x = 32 + 64 * (n % 6) + rand() * 16 - 8
      ny[n] = y; nx[n] = x
      for (k = int(rand() * 10); k > 0; k--) { a = rand() * 6.283; r = rand() * 22; sy[s] = y + r * sin(a); sx[s++] = x + r * cos(a) }
    }
    for (c = 0; c < 2; c++) for (i = 0; i < 256; i++) for (j = 0; j < 384; j++) {
      v = 24 + rand() * 1.4
      for (n = 0; n < 24 && c == 0; n++) { d = (i - ny[n]) ^ 2 + (j - nx[n]) ^ 2; if (d < 300) v += 140 * exp(-(d / 160) ^ 3) }
      for (n = 0; n < 24 && c == 1; n++) { d = (i - ny[n]) ^ 2 + (j - nx[n]) ^ 2; if (d < 900) v += 20 * exp(-d / 400) }
      for (n = 0; n < s && c == 1; n++) { d = (i - sy[n]) ^ 2 + (j - sx[n]) ^ 2; if (d < 20) v += 150 * exp(-d / 2.5) }
      printf "%c", (v > 255 ? 255 : int(v))
    }'
  imgop nuclei --diameter 24 --in fish.ome.zarr --select c=0 --out fish-nuclei.ome.zarr
  imgop expand --distance 15 --labels fish-nuclei.ome.zarr --out fish-cells.ome.zarr
  imgop project --in fish.ome.zarr --select c=1 --labels fish-cells.ome.zarr --out "$pictures/spots-per-cell.png"
}

# Nuclei that divide.
timelapse() {
  for t in $(seq 0 19); do
    imgop synth --nuclei $((8 + t * t / 8)) --touching 0.1 --shape 256,384 --seed "$t" --out "$t.ome.zarr"
    imgop nuclei --diameter 14 --in "$t.ome.zarr" --out frame-nuclei.ome.zarr --table "times/$t.csv"
  done
  imgop table --in times --names "{t}" --summary t --out times.csv
  imgop plot --table times.csv --x t --column count --out "$pictures/timelapse.png"
}

# The light of a microscope, 8 bits: 60 % in the corners of 192 x 256 pixels.
make_light() {
  mkdir -p light.zarr/0
  echo '{"zarr_format": 2}' >light.zarr/.zgroup
  echo '{"multiscales": [{"version": "0.4", "axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]}' >light.zarr/.zattrs
  echo '{"zarr_format": 2, "shape": [192, 256], "chunks": [192, 256], "dtype": "|u1", "compressor": null, "fill_value": 0,
    "order": "C", "filters": null}' >light.zarr/0/.zarray
  LC_ALL=C awk 'BEGIN { for (y = 0; y < 192; ++y) for (x = 0; x < 256; ++x) {
    v = y / 95.5 - 1; u = x / 127.5 - 1; printf "%c", int(255 * (1 - 0.2 * (u * u + v * v))) } }' >light.zarr/0/0.0
}

illumination_files() {
  make_light
  for i in $(seq 1 24); do
    imgop synth --nuclei 25 --shape 192,256 --seed "$i" --out made.ome.zarr
    imgop math --in made.ome.zarr --operation add --with 1000 --out bright.ome.zarr
    imgop math --in bright.ome.zarr --operation multiply --with light.zarr --scale 0.0039216 --out "lit/image-$i.ome.zarr"
    imgop illumination-sum --in "lit/image-$i.ome.zarr" --out "sums/$i.ome.zarr"
  done
  imgop illumination --radius 40 --in sums --out illumination.ome.zarr
  for i in 1 2; do
    imgop correct-illumination --function illumination.ome.zarr --in "lit/image-$i.ome.zarr" --out "image-$i-corrected.ome.zarr"
  done
  imgop montage --columns 2 --size 128 --in lit/image-{1,2}.ome.zarr image-{1,2}-corrected.ome.zarr --out "$pictures/illumination-files.png"
}

convert_pyramid() {
  imgop synth --nuclei 15 --touching 0.2 --shape 160,160 --seed 5 --out level-0.ome.zarr
  imgop resize --factor 2 --in level-0.ome.zarr --out level-1.ome.zarr
  imgop resize --factor 4 --in level-0.ome.zarr --out level-2.ome.zarr
  imgop montage --columns 3 --size 160 --in level-{0,1,2}.ome.zarr --out "$pictures/convert-pyramid.png"
}

# The program in a workflow.
program_of() { sed -n '/- |$/,/- "{input}"/p' "$repository/etc/workflows/$1.yaml" | sed '1d;$d;s/^        //' >program.py; }

python_files() {
  program_of python-files
  imgop synth --nuclei 120 --touching 0.1 --shape 512,512 --seed 6 --out many.ome.zarr
  imgop convert --in many.ome.zarr --out many.ome.tif
  /usr/bin/python3 program.py many.ome.tif many many.csv
  imgop plot --table many.csv --column area_px --out "$pictures/python-files.png"
}

python_blocks() {
  program_of python-blocks
  imgop synth --nuclei 30 --shape 40,160,240 --seed 3 --out spots.ome.zarr
  /usr/bin/python3 program.py spots.ome.zarr level=0,t=0,c=0,z=0:40,y=0:160,x=0:240 z=13,y=13,x=13 spots.csv
  /usr/bin/python3 -c '
import csv, numpy, tifffile
labels = numpy.zeros((40, 160, 240), "u2")
for number, row in enumerate(csv.DictReader(open("spots.csv")), 1):
    z, y, x = (int(row[axis + "_px"]) for axis in "zyx")
    labels[z, max(y - 2, 0):y + 3, max(x - 2, 0):x + 3] = number
tifffile.imwrite("spots.tif", labels)'
  imgop project --in spots.ome.zarr --labels spots.tif --out "$pictures/python-blocks.png"
}

all=(nuclei_files nuclei_blocks plate_two_channels spots_per_cell timelapse illumination_files convert_pyramid python_files python_blocks)

install_packages "${build_packages[@]}" python3-skimage python3-tifffile python3-zarr
build_preset release imgop
export PATH=$repository/build/release/bin:$PATH
mkdir -p "$pictures"
[ $# -gt 0 ] || set -- "${all[@]}"
for name in "$@"; do
  say "$name"
  ${name//-/_} >/dev/null
done
