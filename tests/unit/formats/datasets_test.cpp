// What lies in a folder.
#include "formats/datasets.h"

#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/formats/samples.h"

namespace tierhub::formats {
namespace {

namespace fs = std::filesystem;
using test::ScratchFolder;
using test::TiffBuilder;
using Texts = std::vector<std::string>;

std::string page(const std::vector<TiffBuilder::Entry>& entries = {}) {
  TiffBuilder builder;
  builder.add_page(8, 4, 16, entries);
  return builder.bytes();
}

void write_zarr(const ScratchFolder& folder, const std::string& name) {
  folder.write(name + "/.zgroup", R"({"zarr_format":2})");
  folder.write(name + "/.zattrs",
               R"({"multiscales":[{"version":"0.4","axes":[{"name":"y"},{"name":"x"}],)"
               R"("datasets":[{"path":"0"}]}]})");
  folder.write(name + "/0/.zarray",
               R"({"zarr_format":2,"shape":[6,5],"chunks":[2,2],"dtype":"|u1","compressor":null,)"
               R"("fill_value":0,"order":"C","filters":null,"dimension_separator":"."})");
  folder.write(name + "/0/0.0", "abcd");
}

// "PATH: FORMAT AXES", or "PATH: not readable".
Texts found(const ScratchFolder& folder, const SearchLimits& limits = {}) {
  const auto list = find_datasets(folder.path(), limits);
  if (!list) return {list.error().text()};
  Texts texts;
  for (const Dataset& one : list->datasets) {
    EXPECT_NE(one.info.has_value(), !one.error.empty());
    texts.push_back(
        one.info ? fmt::format("{}: {} {}", one.path, one.info->format, one.info->axes_text())
                 : one.path + ": not readable");
  }
  texts.insert(texts.end(), list->left_out.begin(), list->left_out.end());
  return texts;
}

TEST(Datasets, EachIsOneThing) {
  const ScratchFolder folder;
  write_zarr(folder, "scan.ome.zarr");
  folder.write("one.tif", page());
  for (const char* name : {"time/a_t1.tif", "time/a_t2.tif", "time/a_t3.tif"})
    folder.write(name, page());
  for (const char* name : {"two/a_t1.tif", "two/a_t2.tif", "two/b_c1.tif", "two/b_c2.tif"})
    folder.write(name, page());
  folder.write("two/overview.tif", page());
  folder.write("notes.txt", "no image");
  EXPECT_EQ(found(folder),
            (Texts{"one.tif: TIFF yx", "scan.ome.zarr: OME-Zarr yx", "time: TIFF series tyx",
                   "two/a_t<1-2>.tif: TIFF series tyx", "two/b_c<1-2>.tif: TIFF series cyx",
                   "two/overview.tif: TIFF yx"}));
}

// A file that describes two time points, one in each file.
std::string page_of_set(const std::string& first, const std::string& second) {
  return page(
      {{270,
        2,
        {},
        fmt::format(
            R"(<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">)"
            R"(<Image ID="Image:0"><Pixels DimensionOrder="XYZCT" SizeX="8" SizeY="4" SizeZ="1")"
            R"( SizeC="1" SizeT="2" Type="uint16"><TiffData FirstT="0" PlaneCount="1">)"
            R"(<UUID FileName="{}">u</UUID></TiffData><TiffData FirstT="1" PlaneCount="1">)"
            R"(<UUID FileName="{}">v</UUID></TiffData></Pixels></Image></OME>)",
            first, second)}});
}

TEST(Datasets, ASetOfOmeTiffFilesIsListedOnce) {
  const ScratchFolder folder;
  for (const char* name : {"s_t0.ome.tif", "s_t1.ome.tif"})
    folder.write(name, page_of_set("s_t0.ome.tif", "s_t1.ome.tif"));
  folder.write("x.tif", page());
  EXPECT_EQ(found(folder), (Texts{"s_t0.ome.tif: OME-TIFF tyx", "x.tif: TIFF yx"}));
  const ScratchFolder last;
  last.write("s1.tif", page());
  last.write("s2.tif", page_of_set("s1.tif", "s2.tif"));
  EXPECT_EQ(found(last), Texts{"s2.tif: OME-TIFF tyx"})
      << "only the last file describes the others";
}

TEST(Datasets, ThoseThatCannotBeReadSayWhy) {
  const ScratchFolder folder;
  folder.write("cut.tif", page().substr(0, 20));
  folder.write("empty.png", "");
  folder.write("scan.czi", "ZISRAWFILE");
  folder.write("gap/a_t1.tif", page());
  folder.write("gap/a_t3.tif", page());
  folder.write("bad.zarr/.zattrs", "{");
  EXPECT_EQ(found(folder),
            (Texts{"bad.zarr: not readable", "cut.tif: not readable", "empty.png: not readable",
                   "gap: not readable", "scan.czi: not readable"}));
  const auto list = find_datasets(folder.path());
  ASSERT_TRUE(list);
  EXPECT_NE(list->datasets[3].error.find("lacks a_t2.tif"), std::string::npos);
}

TEST(Datasets, AFolderThatIsAnImageIsItsOnlyDataset) {
  const ScratchFolder folder;
  folder.write("a_t1.tif", page());
  folder.write("a_t2.tif", page());
  EXPECT_EQ(found(folder), Texts{".: TIFF series tyx"});
  const ScratchFolder empty;
  EXPECT_EQ(found(empty), Texts{});
  EXPECT_FALSE(find_datasets(empty / "none"));
}

TEST(Datasets, APlateIsAFolderOfItsFields) {
  const ScratchFolder folder;
  folder.write("p.zarr/.zgroup", R"({"zarr_format":2})");
  folder.write("p.zarr/.zattrs", R"({"plate":{"wells":[{"path":"A/1"}]}})");
  folder.write("p.zarr/A/.zgroup", R"({"zarr_format":2})");  // a row has no more
  folder.write("p.zarr/A/1/.zattrs", R"({"well":{"images":[{"path":"0"},{"path":"1"}]}})");
  write_zarr(folder, "p.zarr/A/1/0");
  write_zarr(folder, "p.zarr/A/1/1");
  EXPECT_EQ(found(folder), (Texts{"p.zarr/A/1/0: OME-Zarr yx", "p.zarr/A/1/1: OME-Zarr yx"}));
  const auto well = Image::open(folder / "p.zarr/A/1");
  ASSERT_FALSE(well);
  EXPECT_NE(well.error().text().find("is a well with 2 images: name one of them"),
            std::string::npos)
      << well.error().text();
  EXPECT_NE(well.error().text().find("'scatter: {by: file}' makes a task of each"),
            std::string::npos)
      << "a task by well that runs an operator on one image";
}

TEST(Datasets, AnImageThatLostItsMetadataIsDamaged) {
  const ScratchFolder folder;
  write_zarr(folder, "a.zarr");
  folder.write("a.zarr/.zgroup", R"({"zarr_format":2})");
  fs::remove(folder / "a.zarr/.zattrs");
  EXPECT_EQ(found(folder), Texts{"a.zarr: not readable"});
}

TEST(Datasets, HiddenFilesAndLinksThatLeadOutAreSkipped) {
  const ScratchFolder folder;
  const ScratchFolder other;
  other.write("far.tif", page());
  folder.write("a.tif", page());
  folder.write(".b.tif", page());
  folder.write(".hidden/c.tif", page());
  fs::create_symlink(other / "far.tif", folder / "far.tif");
  fs::create_symlink(other.path(), folder / "elsewhere");
  fs::create_symlink(".", folder / "loop");
  fs::create_symlink("nowhere", folder / "none.tif");
  fs::create_symlink("a.tif", folder / "link.tif");
  EXPECT_EQ(found(folder), (Texts{"a.tif: TIFF yx", "link.tif: TIFF yx"}));
}

TEST(Datasets, FilesThatMustNotBeOpenedAreListedClosed) {
  const ScratchFolder folder;
  write_zarr(folder, "scan.ome.zarr");
  for (const char* name : {"a.tif", "b.tif", "time/a_t1.tif", "time/a_t2.tif"})
    folder.write(name, page());
  Texts asked;
  SearchLimits limits;
  limits.may_open = [&](const std::string& path) {
    asked.push_back(path);
    return path == "b.tif";
  };
  const auto list = find_datasets(folder.path(), limits);
  ASSERT_TRUE(list);
  Texts closed, open;
  for (const Dataset& one : list->datasets) {
    EXPECT_EQ(one.error, "");
    (one.info ? open : closed).push_back(one.path);
  }
  EXPECT_EQ(closed, (Texts{"a.tif", "time"}));
  EXPECT_EQ(open, (Texts{"b.tif", "scan.ome.zarr"}));
  EXPECT_EQ(asked, (Texts{"a.tif", "b.tif", "time/a_t1.tif"}));
}

TEST(Datasets, TheSearchIsBoundedAndSaysSo) {
  const ScratchFolder folder;
  folder.write("a.tif", page());
  folder.write("b/c.tif", page());
  folder.write("b/d/e.tif", page());
  EXPECT_EQ(found(folder, {1, 100, 100}),
            (Texts{"a.tif: TIFF yx", "b/c.tif: TIFF yx",
                   "folders more than 1 deep were not searched, such as b/d"}));
  EXPECT_EQ(found(folder, {8, 2, 100}),
            (Texts{"a.tif: TIFF yx", "b/c.tif: TIFF yx",
                   "the search ended after 2 datasets: search a folder inside"}));
  EXPECT_EQ(found(folder, {8, 100, 2}),
            (Texts{"a.tif: TIFF yx",
                   "the search ended after 2 files and folders: search a folder inside"}));
}

TEST(Datasets, ManyFilesInAFolderKeepNoImageBesideItFromBeingFound) {
  const ScratchFolder folder;
  for (const char* name : {"ab", "cd", "ef", "gh"})
    folder.write(fmt::format("many/{}.tif", name), page());
  write_zarr(folder, "scan.zarr");
  folder.write("many/deep/below.tif", page());
  EXPECT_EQ(found(folder, {1, 2, 100}),
            (Texts{"many/ab.tif: TIFF yx", "scan.zarr: OME-Zarr yx",
                   "the search ended after 2 datasets: search a folder inside"}));
  EXPECT_EQ(found(folder).size(), 6u);
}

}  // namespace
}  // namespace tierhub::formats
