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

all=(nuclei_files nuclei_blocks plate_two_channels)

install_packages "${build_packages[@]}"
build_preset release imgop
export PATH=$repository/build/release/bin:$PATH
mkdir -p "$pictures"
[ $# -gt 0 ] || set -- "${all[@]}"
for name in "$@"; do
  say "$name"
  ${name//-/_} >/dev/null
done
