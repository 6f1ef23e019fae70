#!/usr/bin/python3
"""Compares imgop with tifffile, zarr-python, h5py, Pillow and OpenSlide, in both directions.

    compare_images.py IMGOP [FILE_OR_FOLDER...]

What they write, imgop converts; what imgop writes, they read; all voxels must be equal, in the same type. Further
arguments are images of one's own: TIFF files, MRC files, PNG and JPEG files and OME-Zarr folders, compared in the same
way. Prints a line for each image that differs, and how many were compared; exit code 1 if one differs.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import h5py
import numcodecs
import numpy
import openslide
import tifffile
import zarr
from PIL import Image

IMGOP = sys.argv[1]
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


class Comparison:
    def __init__(self, folder):
        self.folder = folder
        self.compared = 0
        self.differences = []
        self.random = numpy.random.default_rng(7)

    def path(self, name):
        return os.path.join(self.folder, name)

    def convert(self, source, out, *options):
        """What another program reads of it, or the error of imgop."""
        path = self.path(out)
        shutil.rmtree(path, ignore_errors=True)
        done = subprocess.run([IMGOP, "convert", "--in", source, "--out", path, *options], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            return done.stderr.strip()
        return tifffile.imread(path) if out.endswith(".tif") else zarr.open(path, "r")["0"][:]

    def expect(self, name, source, wanted, out="out.ome.zarr"):
        wanted = numpy.asarray(wanted)
        got = self.convert(source, out)
        self.compared += 1
        if isinstance(got, str):
            self.differences.append(f"{name}: {got}")
        elif got.squeeze().shape != wanted.squeeze().shape:
            self.differences.append(f"{name}: shape {got.shape} instead of {wanted.shape}")
        elif got.dtype != wanted.dtype.newbyteorder("="):
            self.differences.append(f"{name}: type {got.dtype} instead of {wanted.dtype}")
        elif not numpy.array_equal(got.squeeze(), wanted.squeeze(), equal_nan=wanted.dtype.kind == "f"):
            self.differences.append(f"{name}: other voxels")

    def numbers(self, dtype, shape):
        values = self.random.random(shape) * 200
        return (values - 100 if numpy.dtype(dtype).kind in "if" else values).astype(dtype)

    def whole(self, shape, dtype="u2"):
        return self.random.integers(0, numpy.iinfo(dtype).max, shape, endpoint=True).astype(dtype)


def as_read(array):
    """imgop gives half floats as floats, and truth values as bytes."""
    if array.dtype.newbyteorder("=") == numpy.float16:
        return array.astype("f4")
    return array.astype("u1") if array.dtype == bool else array


def colours_first(array):
    return numpy.moveaxis(array, -1, 0) if array.ndim == 3 and array.shape[-1] in (3, 4) else array


def compare_tiff_of_tifffile(run):
    for dtype in TYPES:
        for order in "<>":
            for options in ({}, {"compression": "zlib", "predictor": True}, {"tile": (16, 32)},
                            {"compression": "zlib", "tile": (16, 16)}, {"rowsperstrip": 5, "bigtiff": True}):
                if options.get("predictor") and (dtype[0] == "f" or dtype[1] == "8"):
                    continue  # tifffile does not write these
                array = run.numbers(dtype, (3, 2, 37, 41))
                path = run.path("a.tif")
                tifffile.imwrite(path, array, byteorder=order, metadata={"axes": "ZCYX"}, photometric="minisblack",
                                 **options)
                run.expect(f"tifffile {dtype} {order} {options}", path, as_read(numpy.moveaxis(array, 1, 0)))


def compare_descriptions(run):
    array = run.whole((2, 3, 4, 37, 41))
    path = run.path("hyperstack.tif")
    tifffile.imwrite(path, array, imagej=True, metadata={"axes": "TZCYX"})
    run.expect("ImageJ hyperstack", path, numpy.moveaxis(array, 2, 1))
    path = run.path("a.ome.tif")
    tifffile.imwrite(path, array, ome=True, metadata={"axes": "TCZYX"}, photometric="minisblack")
    run.expect("OME-TIFF", path, array)
    run.expect("OME-TIFF to OME-TIFF", path, array, "out.ome.tif")
    colours = run.whole((50, 60, 3), "u1")
    for options in ({}, {"tile": (16, 16)}, {"compression": "zlib"}):
        path = run.path("rgb.tif")
        tifffile.imwrite(path, colours, photometric="rgb", **options)
        run.expect(f"RGB {options}", path, colours_first(colours))
    tifffile.imwrite(path, colours_first(colours), photometric="rgb", planarconfig="separate")
    run.expect("RGB in planes", path, colours_first(colours))
    pyramid = run.path("pyramid.ome.tif")
    large = run.whole((2, 512, 768), "u1")
    with tifffile.TiffWriter(pyramid, bigtiff=True) as file:
        file.write(large, subifds=1, metadata={"axes": "CYX"}, tile=(256, 256), photometric="minisblack")
        file.write(large[:, ::2, ::2], subfiletype=1, tile=(256, 256), photometric="minisblack")
    run.expect("pyramid", pyramid, large)


def compare_zarr_of_zarr_python(run):
    compressors = [None, numcodecs.Zlib(), numcodecs.GZip(), numcodecs.Zstd(), numcodecs.LZ4(), numcodecs.Blosc("lz4"),
                   numcodecs.Blosc("zstd", shuffle=2), numcodecs.Blosc("zlib")]
    for index, dtype in enumerate(["u1", "i1", "<u2", ">u2", "<i2", "<i4", "<u8", "<f2", "<f4", ">f8", "|b1"]):
        for number, compressor in enumerate(compressors):
            array = run.numbers(dtype, (5, 23, 31))
            path = run.path("z.zarr")
            shutil.rmtree(path, ignore_errors=True)
            group = zarr.open_group(path, "w")
            group.create_dataset("0", data=array, chunks=(2, 8, 16), compressor=compressor,
                                 order="CF"[(index + number) % 2], dimension_separator="/")
            axes = [{"name": name, "type": "space"} for name in "zyx"]
            group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]
            run.expect(f"zarr-python {dtype} {compressor}", path, as_read(array))


def compare_levels(run):
    array = run.whole((1500, 1300))
    path = run.path("large.tif")
    tifffile.imwrite(path, array)
    run.expect("large image", path, array)
    level = zarr.open(run.path("out.ome.zarr"), "r")["1"][:]
    run.compared += 1
    if not numpy.array_equal(level, mean_of_four(array)):
        run.differences.append("large image: level 1 is not the mean of four voxels")
    compare_levels_of_ome_tiff(run)
    largest = numpy.full((1100, 1100), numpy.iinfo("u8").max, "u8")
    tifffile.imwrite(path, largest)
    run.expect("largest numbers", path, largest)
    run.compared += 1
    if not (zarr.open(run.path("out.ome.zarr"), "r")["1"][:] == largest[0, 0]).all():
        run.differences.append("largest numbers: level 1 has others")


def mean_of_four(array):
    corners = [array[..., i::2, k::2].astype("f8") for i in (0, 1) for k in (0, 1)]
    return numpy.floor(sum(corners) / 4 + 0.5).astype(array.dtype)


def compare_levels_of_ome_tiff(run):
    """Sub-directories as tifffile finds them, and back in imgop."""
    array = run.whole((2, 3, 1400, 2400), "u2")
    path = run.path("planes.ome.tif")
    tifffile.imwrite(path, array, metadata={"axes": "CZYX"})
    run.expect("OME-TIFF with levels", path, array, "out.ome.tif")
    expected = [array, mean_of_four(array), mean_of_four(mean_of_four(array))]
    with tifffile.TiffFile(run.path("out.ome.tif")) as file:
        levels = [level.asarray() for level in file.series[0].levels]
    run.compared += len(expected)
    if [level.shape[-1] for level in levels] != [2400, 1200, 600, 300]:
        run.differences.append(f"OME-TIFF with levels: tifffile finds {[level.shape for level in levels]}")
    for number, (found, wanted) in enumerate(zip(levels, expected)):
        if not numpy.array_equal(found, wanted):
            run.differences.append(f"OME-TIFF with levels: level {number} differs")


def write_slide(path, array, levels, description, software, compression):
    """As scanners do: a tiled page for each level."""
    with tifffile.TiffWriter(path) as file:
        for level in range(levels):
            step = 2 ** level
            file.write(array[::step, ::step], tile=(256, 256), photometric="rgb", compression=compression,
                       description=description, software=software, metadata=None, subfiletype=int(level > 0))


def smooth_colours(shape):
    y, x = numpy.mgrid[0:shape[0], 0:shape[1]]
    return numpy.stack([(y // 3) % 256, (x // 5) % 256, (x + y) // 7 % 256], -1).astype("u1")


def compare_slides(run):
    """Slides that imgop reads itself, and one that it reads with OpenSlide, as python3-openslide shows them."""
    array = smooth_colours((1500, 2300))
    slides = {
        "tiled TIFF": ("a.tif", "", ""),
        "Aperio": ("a.svs", "Aperio Image Library v11\r\n2300x1500 (256x256)|AppMag = 20|MPP = 0.5", ""),
        "Trestle": ("trestle.tif", "Background Color=FFFFFF;OverlapsXY= 0 0 0 0 0 0", "MedScan 1"),
    }
    for name, (file, description, software) in slides.items():
        path = run.path(file)
        write_slide(path, array, 3, description, software, None)
        run.expect(f"slide {name}", path, colours_first(array))
        slide = openslide.OpenSlide(path)
        info = json.loads(subprocess.run([IMGOP, "info", "--in", path, "--json"], capture_output=True, check=True).stdout)
        run.compared += 1
        sizes = [tuple(level["shape"][:-3:-1]) for level in info["levels"]]
        if tuple(sizes) != slide.level_dimensions:
            run.differences.append(f"slide {name}: levels {sizes} instead of {slide.level_dimensions}")
        run.compared += 1
        shown = numpy.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
        if not numpy.array_equal(shown, array):
            run.differences.append(f"slide {name}: OpenSlide shows other voxels than were written")
    if "trestle" not in info["format"]:
        run.differences.append("slide Trestle: not read with OpenSlide")


def compare_pictures(run):
    for mode, shape in (("L", (37, 29)), ("RGB", (37, 29, 3)), ("RGBA", (37, 29, 4)), ("I;16", (37, 29))):
        array = run.whole(shape, "u2" if mode == "I;16" else "u1")
        path = run.path("a.png")
        Image.fromarray(array, mode).save(path)
        run.expect(f"PNG {mode}", path, colours_first(array))
        if mode in ("L", "RGB"):
            path = run.path("a.jpg")
            Image.fromarray(array, mode).save(path, quality=80)
            run.expect(f"JPEG {mode}", path, colours_first(numpy.asarray(Image.open(path))))


def compare_series(run):
    """Numbered files, put together by tifffile and by numpy."""
    array = run.whole((3, 2, 4, 37, 41))
    folder = run.path("series")
    for name, options in (("pages", {}), ("tiles", {"compression": "zlib", "tile": (16, 32)}),
                          ("big-endian", {"byteorder": ">"})):
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        for t, c, z in numpy.ndindex(array.shape[:3]):
            tifffile.imwrite(f"{folder}/a_t{t + 8}_c{c:02}_z{z:03}.tif", array[t, c, z], **options)
        sequence = tifffile.TiffSequence(sorted(os.listdir(folder)), pattern=r"(t)(\d+)_(c)(\d+)_(z)(\d+)")
        if sequence.shape != array.shape[:3]:
            run.differences.append(f"series of {name}: tifffile sees the shape {sequence.shape}")
        run.expect(f"series of {name}", folder, array)
    shutil.rmtree(folder)
    os.mkdir(folder)
    for t in range(3):
        tifffile.imwrite(f"{folder}/T{t}.tif", array[t].swapaxes(0, 1), imagej=True, metadata={"axes": "ZCYX"})
    run.expect("series of ImageJ hyperstacks", folder, array)
    shutil.rmtree(folder)
    os.mkdir(folder)
    for t, c in numpy.ndindex(array.shape[:2]):
        tifffile.imwrite(f"{folder}/e_T{t:03}_ch{c:02}.tif", array[t, c], photometric="minisblack")
    run.expect("series of stacks", folder, array)
    shutil.rmtree(folder)
    os.mkdir(folder)
    for t, c in numpy.ndindex(array.shape[:2]):
        with h5py.File(f"{folder}/t{t}c{c}.h5", "w") as file:
            file.create_dataset("data", data=array[t, c], chunks=(2, 16, 16), compression="gzip")
    run.expect("series of HDF5 volumes", folder, array)
    colours = run.whole((4, 37, 29, 3), "u1")
    shutil.rmtree(folder)
    os.mkdir(folder)
    for z, page in enumerate(colours):
        Image.fromarray(page, "RGB").save(f"{folder}/slice-z{z + 1}.png")
    run.expect("series of colour PNG files", folder, numpy.moveaxis(colours, -1, 0))


def compare_hdf5_of_h5py(run):
    storages = [{}, {"chunks": (2, 8, 16)}, {"chunks": (2, 8, 16), "compression": "gzip"},
                {"chunks": (2, 8, 16), "compression": "gzip", "shuffle": True, "fletcher32": True},
                {"chunks": (5, 23, 31), "fletcher32": True}, {"chunks": (1, 7, 31), "maxshape": (None, None, None)}]
    path = run.path("a.h5")
    for dtype in ["|u1", "|i1", "<u2", ">u2", "<i2", ">i4", "<u4", "<u8", ">i8", "<f2", ">f2", "<f4", ">f8", "|b1"]:
        for index, options in enumerate(storages):
            array = run.numbers(dtype, (5, 23, 31))
            with h5py.File(path, "w", libver="latest" if index % 2 else "earliest") as file:
                file.create_dataset("volume/data", data=array, **options)
            run.expect(f"h5py {dtype} {options}", path, as_read(array))
    sparse = run.whole((40, 64, 64))
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("data", sparse.shape, "u2", chunks=(4, 16, 16), fillvalue=513, compression="gzip")
        dataset[8:20, 3:50, 17:33] = sparse[8:20, 3:50, 17:33]
        sparse = dataset[:]
    run.expect("h5py with a fill value", path, sparse)
    compare_imaris(run)


def compare_imaris(run):
    path = run.path("a.ims")
    array = run.whole((2, 3, 5, 37, 41))
    with h5py.File(path, "w") as file:
        for t in range(2):
            for c in range(3):
                group = file.create_group(f"DataSet/ResolutionLevel 0/TimePoint {t}/Channel {c}")
                padded = numpy.pad(array[t, c], ((0, 3), (0, 27), (0, 23)), constant_values=9)
                group.create_dataset("Data", data=padded, chunks=(4, 32, 32), compression="gzip")
                group.create_dataset("Histogram", data=numpy.zeros(256, "u8"))
                for name, size in zip("ZYX", array.shape[2:]):
                    group.attrs[f"ImageSize{name}"] = numpy.frombuffer(str(size).encode(), "S1")
        file.create_group("DataSetInfo/Image")
    run.expect("Imaris layout", path, array)


def read_mrc(path):
    with open(path, "rb") as file:
        header = file.read(1024)
    words = numpy.frombuffer(header, "<i4")
    columns, rows, sections, mode = (int(word) for word in words[:4])
    dtype = {0: "i1", 1: "<i2", 2: "<f4", 6: "<u2", 12: "<f2"}[mode]
    count = columns * rows * sections
    return as_read(numpy.fromfile(path, dtype, count, offset=1024 + int(words[23])).reshape(sections, rows, columns))


def compare_own(run, path):
    """An image that somebody has."""
    ending = path.lower().rsplit(".", 1)[-1]
    if os.path.isdir(path) and ending != "zarr":
        for name in sorted(os.listdir(path)):
            compare_own(run, os.path.join(path, name))
    elif os.path.isdir(path) and os.path.exists(os.path.join(path, ".zattrs")):
        group = zarr.open(path, "r")
        first = group.attrs.get("multiscales", [{}])[0].get("datasets", [{"path": "0/0"}])[0]["path"]
        run.expect(path, path, group[first][:])
    elif ending in ("tif", "tiff"):
        run.expect(path, path, colours_first(tifffile.imread(path)))
    elif ending in ("png", "jpg", "jpeg"):
        run.expect(path, path, colours_first(numpy.asarray(Image.open(path))))
    elif ending in ("mrc", "map"):
        run.expect(path, path, read_mrc(path))


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = Comparison(folder)
        for path in sys.argv[2:]:
            compare_own(run, path)
        if len(sys.argv) == 2:
            compare_tiff_of_tifffile(run)
            compare_descriptions(run)
            compare_zarr_of_zarr_python(run)
            compare_levels(run)
            compare_slides(run)
            compare_pictures(run)
            compare_series(run)
            compare_hdf5_of_h5py(run)
    for difference in run.differences:
        print(difference)
    print(f"{run.compared} images compared, {len(run.differences)} differ")
    return 1 if run.differences or run.compared == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
