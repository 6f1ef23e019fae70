#!/usr/bin/python3
"""Compares the numbers of imgop with those of scipy and scikit-image, on scikit-image's own photographs and micrographs.

    compare_operators.py IMGOP [FILE...]

Further arguments are images of one's own: TIFF files of one channel. Prints a line for each result that differs, and how
many were compared; exit code 1 if one differs.
"""
import csv
import math
import os
import shutil
import subprocess
import sys
import tempfile

import numpy
import tifffile
import zarr
from PIL import Image
from scipy import ndimage
from skimage import filters, measure, segmentation
import skimage

IMGOP = sys.argv[1]
MANY = 1000  # fewer comparisons mean that images are missing
FULL = numpy.ones((3, 3))


class Comparison:
    def __init__(self, folder):
        self.folder = folder
        self.compared = 0
        self.differences = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, command, **paths):
        """Runs imgop; {name} stands for a file of the folder, which is removed first if it is written (--out)."""
        words = []
        for word in command.split():
            is_output = words and words[-1] in ("--out", "--table")
            if word.startswith("@") or word.endswith((".zarr", ".csv", ".json", ".tif")):
                mark = "@" if word.startswith("@") else ""
                path = self.path(word.lstrip("@"))
                if is_output:
                    shutil.rmtree(path, ignore_errors=True)
                word = mark + path
            words.append(word)
        done = subprocess.run([IMGOP, *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"imgop {command}: {done.stderr.strip()}")
        return done.stdout

    def array(self, name):
        return zarr.open(self.path(name), "r")["0"][:]

    def rows(self, name):
        with open(self.path(name), newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def expect(self, what, equal):
        self.compared += 1
        if not equal:
            self.differences.append(what)


def close(got, wanted, digits=5e-6):
    """Whether a number with six digits is `wanted`."""
    return math.isclose(float(got), wanted, rel_tol=digits, abs_tol=1e-9)


def compare_threshold(comparison, name, image):
    comparison.run("histogram --sigma 0 --in image.tif --out histogram.json")
    threshold = comparison.run("threshold --otsu histogram.json --out threshold.json").split()[1]
    wanted = filters.threshold_otsu(image)
    comparison.expect(f"{name}: Otsu {threshold} instead of {wanted}", int(threshold) == int(wanted))
    return int(threshold)


def compare_labels(comparison, name, image, threshold):
    for connectivity, structure in (("face", None), ("full", FULL)):
        comparison.run(f"segment --sigma 0 --threshold {threshold} --connectivity {connectivity} "
                       "--in image.tif --out labels.zarr --table objects.csv")
        wanted, _ = ndimage.label(image > threshold, structure)
        labels = comparison.array("labels.zarr")
        comparison.expect(f"{name}: labels ({connectivity})", numpy.array_equal(labels, wanted))
    return labels


def compare_hysteresis(comparison, name, image, threshold):
    high = threshold + (int(image.max()) - threshold) // 2
    comparison.run(f"segment --sigma 0 --threshold {threshold} --high {high} --connectivity face "
                   "--in image.tif --out strong.zarr")
    wanted = filters.apply_hysteresis_threshold(image, threshold, high)
    comparison.expect(f"{name}: hysteresis", numpy.array_equal(comparison.array("strong.zarr") > 0, wanted))


def compare_filters(comparison, name, image):
    comparison.run("median --radius 2 --in image.tif --out median.zarr")
    comparison.expect(f"{name}: median", numpy.array_equal(comparison.array("median.zarr"),
                                                           ndimage.median_filter(image, 5, mode="nearest")))
    comparison.run("background --radius 7 --in image.tif --out background.zarr")
    comparison.expect(f"{name}: background", numpy.array_equal(comparison.array("background.zarr"),
                                                               ndimage.white_tophat(image, 15, mode="nearest")))


def compare_expansion(comparison, name, labels):
    """Ties are broken differently: what is compared is which voxels have a label, and how far away it is."""
    comparison.run("expand --distance 6 --labels labels.zarr --out cells.zarr")
    cells = comparison.array("cells.zarr")
    wanted = segmentation.expand_labels(labels, 6)
    comparison.expect(f"{name}: which voxels are in cells", numpy.array_equal(cells > 0, wanted > 0))
    differ = numpy.argwhere((cells != wanted) & (wanted > 0))[:50]
    for y, x in differ:
        squares = [min((yy - y) ** 2 + (xx - x) ** 2 for yy, xx in numpy.argwhere(labels == label))
                   for label in (cells[y, x], wanted[y, x])]
        comparison.expect(f"{name}: label at {y}, {x}", squares[0] == squares[1])


def compare_measures(comparison, name, image, labels):
    comparison.run("measure --shape --labels labels.zarr --in image.tif --table measures.csv")
    rows = {int(row["label"]): row for row in comparison.rows("measures.csv")}
    objects = measure.regionprops(labels, image)
    comparison.expect(f"{name}: {len(rows)} objects instead of {len(objects)}", len(rows) == len(objects))
    for one in objects[:300]:
        row = rows[one.label]
        values = image[one.slice][one.image].astype(float)
        wanted = {
            "area_px": one.area, "intensity_sum": values.sum(), "intensity_mean": values.mean(),
            "intensity_min": values.min(), "intensity_max": values.max(), "intensity_median": numpy.median(values),
            "intensity_sd": values.std(), "equivalent_diameter_px": one.equivalent_diameter,
            "perimeter_px": measure.perimeter_crofton(one.image, 4), "extent": one.extent,
        }
        for column, value in wanted.items():
            comparison.expect(f"{name}: {column} of {one.label}: {row[column]} instead of {value}",
                              close(row[column], value))
        for axis, at in zip("yx", one.centroid):
            comparison.expect(f"{name}: centroid of {one.label}",
                              abs(float(row[f"centroid_{axis}_px"]) - at) <= 0.00051)


def compare_image(comparison, name, image):
    tifffile.imwrite(comparison.path("image.tif"), image)
    threshold = compare_threshold(comparison, name, image)
    labels = compare_labels(comparison, name, image, threshold)
    compare_hysteresis(comparison, name, image, threshold)
    compare_filters(comparison, name, image)
    compare_expansion(comparison, name, labels)
    compare_measures(comparison, name, image, labels)


def photographs():
    """Those that come with scikit-image: name, and an image of one channel."""
    folder = os.path.join(os.path.dirname(skimage.__file__), "data")
    for name in ("cell.png", "coins.png", "ihc.png"):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            continue
        pixels = numpy.asarray(Image.open(path))
        if pixels.ndim == 2:
            yield name, pixels
            continue
        for channel in range(3):
            yield f"{name} channel {channel}", numpy.ascontiguousarray(pixels[:, :, channel])


def main():
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(folder)
        for name, image in photographs():
            compare_image(comparison, name, image)
            # The same with 16 bits, of which some differ in the lowest ones.
            wide = image.astype("u2") * 201 + numpy.arange(image.size, dtype="u2").reshape(image.shape) % 131
            compare_image(comparison, name + " with 16 bits", wide)
        for path in sys.argv[2:]:
            compare_image(comparison, path, tifffile.imread(path))
    for difference in comparison.differences[:50]:
        print(difference)
    print(f"{comparison.compared} compared, {len(comparison.differences)} differ")
    return 1 if comparison.differences or comparison.compared < MANY else 0


sys.exit(main())
