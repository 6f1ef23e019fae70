"""What a user would write instead of `imgop segment`: smooth, Otsu, label, and measure with scipy and scikit-image.

segment_with_scipy.py VOLUME.ome.zarr
"""
import sys

import numpy as np
import zarr
from scipy import ndimage
from skimage.filters import threshold_otsu

volume = zarr.open(sys.argv[1] + "/0", "r")[:]
smoothed = ndimage.gaussian_filter(volume.astype(np.float32), 2, truncate=3.7)
threshold = threshold_otsu(np.rint(smoothed).astype(np.uint16))
labels, count = ndimage.label(smoothed > threshold, np.ones((3, 3, 3)))
sums = ndimage.sum_labels(volume, labels, np.arange(1, count + 1))
print(count, "objects, the first of", sums[0])
