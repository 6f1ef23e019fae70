#!/usr/bin/python3
"""Compares images as the browser hub shows them to Zarr clients with what tifffile, zarr-python, h5py and Pillow say.

    compare_hub_view.py HUB_VIEW

What they write, the hub shows as OME-Zarr 0.4; zarr-python reads that; all voxels of level 0 must be equal, in the same
type, and the smaller levels must be those of a pyramid. Prints a line for each image that differs, and how many were
compared; exit code 1 if one differs.
"""
import os
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy
import tifffile
import zarr
from PIL import Image

HUB_VIEW = sys.argv[1]
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
# Larger than a chunk of the view, and not by whole chunks.
PLANE = (530, 1040)


class Comparison:
    def __init__(self, folder):
        self.folder = folder
        self.compared = 0
        self.differences = []
        self.random = numpy.random.default_rng(11)

    def path(self, name):
        return os.path.join(self.folder, name)

    def numbers(self, dtype, shape):
        dtype = numpy.dtype(dtype)
        if dtype.kind == "f":
            return (self.random.random(shape) * 200 - 100).astype(dtype)
        limits = numpy.iinfo(dtype)
        return self.random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)

    def view(self, name):
        out = self.path("view")
        shutil.rmtree(out, ignore_errors=True)
        done = subprocess.run([HUB_VIEW, self.folder, "/" + name, "v2", out], capture_output=True, text=True, check=False)
        return out if done.returncode == 0 else done.stderr.strip()

    def expect(self, what, name, wanted):
        """`wanted` has the axes t, c, z, y, x."""
        self.compared += 1
        out = self.view(name)
        if not os.path.isdir(out):
            self.differences.append(f"{what}: {out}")
            return
        for group in (zarr.open_group(out, "r"), zarr.open_consolidated(out, mode="r")):
            difference = self.difference(group, wanted)
            if difference:
                self.differences.append(f"{what}: {difference}")
                return

    @staticmethod
    def difference(group, wanted):
        multiscale = group.attrs["multiscales"][0]
        paths = [dataset["path"] for dataset in multiscale["datasets"]]
        level = group[paths[0]]
        if [axis["name"] for axis in multiscale["axes"]] != ["t", "c", "z", "y", "x"]:
            return "other axes"
        if level.shape != wanted.shape:
            return f"shape {level.shape} instead of {wanted.shape}"
        if level.dtype != wanted.dtype.newbyteorder("="):
            return f"type {level.dtype} instead of {wanted.dtype}"
        if not numpy.array_equal(level[:], wanted):
            return "other voxels"
        shape = wanted.shape
        for path in paths[1:]:
            shape = (*shape[:3], (shape[3] + 1) // 2, (shape[4] + 1) // 2)
            if group[path].shape != shape:
                return f"level {path} has the shape {group[path].shape} instead of {shape}"
        if max(shape[3:]) > 512:
            return "the smallest level is no single tile"
        means = wanted[..., :2, :2].astype("f8").mean(axis=(3, 4))
        if len(paths) > 1 and not numpy.allclose(group[paths[1]][..., 0, 0].astype("f8"), means, rtol=1e-6, atol=0.5001):
            return "level 1 has other means"
        return None

    def zarrs(self):
        for dtype in TYPES:
            wanted = self.numbers(dtype, (2, 2, 2, *PLANE))
            shutil.rmtree(self.path("in.zarr"), ignore_errors=True)
            group = zarr.open_group(self.path("in.zarr"), "w")
            group.attrs["multiscales"] = [{
                "version": "0.4", "axes": [{"name": name} for name in "tczyx"], "datasets": [{"path": "0"}]}]
            group.create_dataset("0", data=wanted, chunks=(1, 1, 2, 256, 300), dimension_separator="/")
            self.expect(f"Zarr {dtype}", "in.zarr", wanted)

    def tiffs(self):
        for dtype in TYPES:
            for options in ({}, {"compression": "zlib", "tile": (128, 128)}, {"rowsperstrip": 17}):
                wanted = self.numbers(dtype, (3, *PLANE))
                tifffile.imwrite(self.path("in.tif"), wanted, photometric="minisblack", **options)
                self.expect(f"TIFF {dtype} {options}", "in.tif", wanted[None, None])
        colours = self.numbers("u1", (*PLANE, 3))
        tifffile.imwrite(self.path("in.tif"), colours, photometric="rgb")
        self.expect("TIFF in colours", "in.tif", numpy.moveaxis(colours, -1, 0)[None, :, None])
        stack = self.numbers("u2", (2, 3, 4, *PLANE))
        tifffile.imwrite(self.path("in.ome.tif"), stack, metadata={"axes": "TZCYX"})
        self.expect("OME-TIFF", "in.ome.tif", stack.swapaxes(1, 2))

    def others(self):
        wanted = self.numbers("u2", (3, *PLANE))
        with h5py.File(self.path("in.h5"), "w") as file:
            file.create_dataset("data", data=wanted, chunks=(1, 100, 200), compression="gzip")
        self.expect("HDF5", "in.h5", wanted[None, None])
        grey = self.numbers("u1", PLANE)
        Image.fromarray(grey).save(self.path("in.png"))
        self.expect("PNG", "in.png", grey[None, None, None])
        os.mkdir(self.path("series"))
        for number, plane in enumerate(wanted):
            tifffile.imwrite(self.path(f"series/a_z{number:02}.tif"), plane)
        self.expect("series", "series", wanted[None, None])


def main():
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(folder)
        comparison.zarrs()
        comparison.tiffs()
        comparison.others()
    for difference in comparison.differences:
        print(difference)
    print(f"compared {comparison.compared} images, {len(comparison.differences)} differ")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
