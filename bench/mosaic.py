"""Makes a volume of 64 x 1024 x 1024 voxels with the texture of a real plane, in chunks of 32 x 64 x 64.

mosaic.py PLANE.tif VOLUME.ome.zarr
"""
import sys

import numpy as np
import tifffile
import zarr
from numcodecs import Blosc

SHAPE = (64, 1024, 1024)

plane = tifffile.imread(sys.argv[1])
while plane.ndim > 2:
    plane = plane[0]
turned = [plane, plane[::-1], plane[:, ::-1], plane[::-1, ::-1]]
repeats = [-(-size // length) for size, length in zip(SHAPE[1:], plane.shape)]
volume = np.empty(SHAPE, np.uint16)
for z in range(SHAPE[0]):
    # Objects are eight planes high; neighbouring tiles differ.
    tiles = [[turned[(z // 8 + y + 2 * x) % 4] for x in range(repeats[1])] for y in range(repeats[0])]
    noise = np.random.default_rng(z).integers(-2, 3, SHAPE[1:])
    volume[z] = np.clip(np.block(tiles)[:SHAPE[1], :SHAPE[2]].astype(int) + noise, 0, 65535)
group = zarr.open_group(sys.argv[2], "w")
group.create_dataset("0", data=volume, chunks=(32, 64, 64), compressor=Blosc("zstd", 5, Blosc.SHUFFLE),
                     dimension_separator="/")
scale = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]}
group.attrs["multiscales"] = [{"version": "0.4", "datasets": [scale],
                               "axes": [{"name": name, "type": "space"} for name in "zyx"]}]
