"""The count of objects over blocks with dask: each block is read once, what it becomes stays in memory.

count_with_dask.py VOLUME Z,Y,X THREADS        a block's size
"""
import sys

import dask
import dask.array as da
import numpy as np
from skimage.measure import label

from blocks import HALO, count_objects, gaussian, histogram_of, otsu

volume, size, threads = sys.argv[1], tuple(map(int, sys.argv[2].split(","))), int(sys.argv[3])
dask.config.set(scheduler="threads", num_workers=threads)
image = da.from_zarr(volume + "/0").rechunk(size)
smoothed = image.map_overlap(gaussian, depth=HALO, boundary="reflect", dtype=np.float32).persist()
parts = smoothed.to_delayed()
threshold = otsu(sum(dask.compute(*(dask.delayed(histogram_of)(part) for part in parts.ravel()))))


@dask.delayed
def labels_of(part):
    return label(part > threshold, connectivity=1).astype(np.uint32)


ends = [np.cumsum(lengths) for lengths in image.chunks]
boxes = [
    tuple((int(end[i] - lengths[i]), int(end[i])) for i, end, lengths in zip(at, ends, image.chunks))
    for at in np.ndindex(*parts.shape)
]
print(count_objects(dict(zip(boxes, dask.compute(*map(labels_of, parts.ravel()))))))
