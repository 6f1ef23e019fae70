"""One step of the count of objects over blocks, as a user would write it with scikit-image.

blocks.py smooth VOLUME Z0:Z1,Y0:Y1,X0:X1 SMOOTHED.npy HISTOGRAM.npy
blocks.py threshold THRESHOLD.txt HISTOGRAM.npy...
blocks.py label SMOOTHED.npy THRESHOLD.txt LABELS.npy
blocks.py count COUNT.txt LABELS.npy...       named by the boxes of their blocks
"""
import pathlib
import sys

import numpy as np
import zarr
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from skimage.filters import threshold_otsu
from skimage.measure import label

SIGMA, TRUNCATE, HALO = 2, 3.7, 8


def gaussian(block):
    return ndimage.gaussian_filter(block.astype(np.float32), SIGMA, truncate=TRUNCATE)


def histogram_of(smoothed):
    return np.bincount(np.rint(smoothed).astype(np.uint16).ravel(), minlength=65536)


def otsu(histogram):
    return threshold_otsu(hist=(histogram, np.arange(65536)))


def box_of(text):
    return [tuple(map(int, part.split(":"))) for part in text.split(",")]


def smooth(volume, box):
    """The box, smoothed as it would be in the whole volume."""
    source = zarr.open(volume + "/0", "r")
    wide = [(max(0, begin - HALO), min(n, end + HALO)) for (begin, end), n in zip(box, source.shape)]
    inner = tuple(slice(b - wb, e - wb) for (b, e), (wb, _) in zip(box, wide))
    return gaussian(source[tuple(slice(*r) for r in wide)])[inner]


def count_objects(blocks):
    """Of labels by box: those that touch at a face of two blocks are one."""
    first, total = {}, 0
    for box, labels in blocks.items():
        first[box] = total
        total += int(labels.max())
    pairs = []
    for box, labels in blocks.items():
        for axis in range(3):
            for other, more in blocks.items():
                is_next = other[axis][0] == box[axis][1] and all(other[a] == box[a] for a in range(3) if a != axis)
                if not is_next:
                    continue
                a = np.take(labels, -1, axis).ravel().astype(np.int64)
                b = np.take(more, 0, axis).ravel().astype(np.int64)
                both = (a > 0) & (b > 0)
                pairs.append(np.stack([a[both] - 1 + first[box], b[both] - 1 + first[other]]))
    joined = np.concatenate(pairs, axis=1) if pairs else np.empty((2, 0), np.int64)
    return connected_components(coo_matrix((np.ones(joined.shape[1]), joined), (total, total)))[0]


def main(step, *arguments):
    if step == "smooth":
        volume, box, smoothed_file, histogram_file = arguments
        smoothed = smooth(volume, box_of(box))
        np.save(smoothed_file, smoothed)
        np.save(histogram_file, histogram_of(smoothed))
    elif step == "threshold":
        threshold_file, *histograms = arguments
        pathlib.Path(threshold_file).write_text(repr(float(otsu(sum(np.load(h) for h in histograms)))))
    elif step == "label":
        smoothed_file, threshold_file, labels_file = arguments
        bright = np.load(smoothed_file) > float(pathlib.Path(threshold_file).read_text())
        np.save(labels_file, label(bright, connectivity=1).astype(np.uint32))
    else:
        count_file, *files = arguments
        blocks = {tuple(box_of(pathlib.Path(f).stem)): np.load(f, mmap_mode="r") for f in files}
        pathlib.Path(count_file).write_text(f"{count_objects(blocks)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
