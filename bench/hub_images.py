"""Makes what bench/hub_goals.sh looks at: hub_images.py FOLDER

scan.ome.zarr        2 channels, 64 planes of 2048 x 2048, 16 bits, in chunks of 32 x 256 x 256, with small levels
cold/N.ome.zarr      the same with 32 planes, N = 0 ... 7
objects/             a plane of 8192 x 8192, the labels of its 1,048,576 objects, and their table
many/                10,000 images of one small plane
stack.raw            1.5 GB
hot.raw              256 MB
"""
import os
import struct
import sys

import numpy as np
import zarr
from numcodecs import Blosc

COLD = 8
SIDE = 2048
CELL = 8  # pixels from one object to the next
COUNT = 1024  # objects in a row

folder = sys.argv[1]
random = np.random.default_rng(1)
noise = random.poisson(60, (SIDE, SIDE)).astype(np.uint16)
# What only the full resolution has: the columns are bright and dark in turn. It is sharp if one sees them.
columns = np.where(np.arange(SIDE) % 2, 1000, 0).astype(np.uint16)


def half(plane):
    rows, columns = (length & ~1 for length in plane.shape)
    p = plane[:rows, :columns].astype(np.uint32)
    return ((p[::2, ::2] + p[1::2, ::2] + p[::2, 1::2] + p[1::2, 1::2] + 2) // 4).astype(plane.dtype)


def multiscales(group, axes, levels):
    datasets = [{"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": [1.0] * (len(axes) - 2) + [2.0 ** i] * 2}]}
                for i in range(levels)]
    group.attrs["multiscales"] = [{"version": "0.4", "datasets": datasets, "axes": [
        {"name": a, "type": "channel" if a == "c" else "space"} for a in axes]}]


# Neighbouring planes differ by much: one sees which of them is shown.
def plane_of(channel, z):
    shifted = np.roll(noise, (37 * z + 11 * channel, 101 * z), (0, 1))
    return shifted + columns + np.uint16(400 if z % 2 else 1900)


def volume(name, depth, levels=3):
    group = zarr.open_group(os.path.join(folder, name), "w")
    for channel in range(2):
        for first in range(0, depth, 32):
            slab = np.stack([plane_of(channel, z) for z in range(first, first + 32)])
            for level in range(levels):
                array = group.require_dataset(
                    str(level), shape=(2, depth, SIDE >> level, SIDE >> level), chunks=(1, 32, 256, 256), dtype="<u2",
                    compressor=Blosc("zstd", 1, Blosc.SHUFFLE), dimension_separator="/")
                array[channel, first:first + 32] = slab
                if level + 1 < levels:
                    slab = np.stack([half(plane) for plane in slab])
    multiscales(group, "czyx", levels)


def objects():
    place = os.path.join(folder, "objects")
    side = CELL * COUNT
    inside = np.zeros((CELL, CELL), np.uint32)
    inside[1:, 1:] = 1
    numbers = np.arange(1, COUNT * COUNT + 1, dtype=np.uint32).reshape(COUNT, COUNT)
    labels = np.kron(numbers, inside)
    image = np.where(labels > 0, 300 + labels * 2654435761 % 1500, 100).astype(np.uint16)
    for name, plane, shrink in (("image", image, half), ("labels", labels, lambda p: p[::2, ::2])):
        group = zarr.open_group(os.path.join(place, name + ".ome.zarr"), "w")
        for level in range(5):
            group.create_dataset(str(level), data=plane, chunks=(512, 512), compressor=Blosc("zstd", 1, Blosc.SHUFFLE),
                                 dimension_separator="/")
            plane = shrink(plane)
        if name == "labels":
            group.attrs["image-label"] = {"version": "0.4"}
        multiscales(group, "yx", 5)
    with open(os.path.join(place, "objects.csv"), "w") as table:
        table.write("label,centroid_x_px,centroid_y_px,area_px,intensity_mean\n")
        for row in range(COUNT):
            y = row * CELL + 4
            table.write("".join(f"{row * COUNT + i + 1},{i * CELL + 4},{y},49,{(row * 31 + i * 17) % 1500 + 300}.5\n" for i in range(COUNT)))
    assert side == labels.shape[0]


def small_images():
    header = bytearray(1024)
    struct.pack_into("<10i", header, 0, 32, 32, 1, 6, 0, 0, 0, 32, 32, 1)
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    header[208:216] = b"MAP \x44\x44\0\0"
    content = bytes(header) + bytes(32 * 32 * 2)
    os.makedirs(os.path.join(folder, "many"))
    for i in range(10_000):
        # Numbers would make them one series.
        word = "".join(chr(97 + (i * 7919 % 26 ** 4) // 26 ** k % 26) for k in range(4))
        with open(os.path.join(folder, "many", f"{word}.mrc"), "wb") as file:
            file.write(content)


def raw(name, pieces):
    piece = random.bytes(1 << 26)
    with open(os.path.join(folder, name), "wb") as file:
        for _ in range(pieces):
            file.write(piece)


os.makedirs(os.path.join(folder, "objects"))
volume("scan.ome.zarr", 64)
volume("cold/0.ome.zarr", 32)
for i in range(1, COLD):
    os.system(f"cp -r '{folder}/cold/0.ome.zarr' '{folder}/cold/{i}.ome.zarr'")
objects()
small_images()
raw("stack.raw", 24)
raw("hot.raw", 4)
