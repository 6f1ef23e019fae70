#include "imaging/images/synth.h"

#include <gtest/gtest.h>

#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using test::ScratchFolder;

SynthOptions small(uint64_t seed) {
  SynthOptions options;
  options.nuclei = 10;
  options.shape = {24, 100, 110};
  options.seed = seed;
  return options;
}

TEST(Synth, GivesTheSameFilesForTheSameSeed) {
  const ScratchFolder folder;
  must(synthesise(small(3), folder / "a.ome.zarr"));
  must(synthesise(small(3), folder / "b.ome.zarr"));
  must(synthesise(small(4), folder / "c.ome.zarr"));
  EXPECT_EQ(files_below(folder / "a.ome.zarr"), files_below(folder / "b.ome.zarr"));
  EXPECT_NE(files_below(folder / "a.ome.zarr"), files_below(folder / "c.ome.zarr"));
  EXPECT_EQ(test::read_bytes(folder / "a.truth.csv"), test::read_bytes(folder / "b.truth.csv"));
}

TEST(Synth, RendersAPartAsItIsInTheWhole) {
  const SynthOptions options = small(5);
  const auto nuclei = must(place_nuclei(options));
  const Box whole = whole_box(options.shape);
  const Box part{0, 0, 0, {3, 20}, {31, 77}, {50, 110}};
  EXPECT_EQ(render(options, nuclei, part), crop(render(options, nuclei, whole), whole, part));
}

TEST(Synth, WritesARowOfTruthForEachNucleus) {
  const ScratchFolder folder;
  const std::string truth = must(synthesise(small(6), folder / "a.ome.zarr"));
  EXPECT_EQ(truth, folder / "a.truth.csv");
  const std::string text = test::read_bytes(truth);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 11);
}

TEST(Synth, IsCountedRightWhereNoNucleiTouch) {
  const ScratchFolder folder;
  SynthOptions options = small(7);
  options.touching = 0;
  must(synthesise(options, folder / "a.ome.zarr"));
  EXPECT_EQ(segment_at_once(folder / "a.ome.zarr", folder.path(), 2, Connectivity::full).objects,
            10u);
}

TEST(Synth, MakesPlanesToo) {
  const ScratchFolder folder;
  SynthOptions options = small(8);
  options.shape = {1, 200, 200};
  options.touching = 0;
  must(synthesise(options, folder / "a.ome.zarr"));
  EXPECT_EQ(must(ImageReader::open(folder / "a.ome.zarr")).info().axes_text(), "yx");
  EXPECT_EQ(segment_at_once(folder / "a.ome.zarr", folder.path(), 2, Connectivity::full).objects,
            10u);
}

TEST(Synth, PutsAProteinIntoNucleiOrAroundThem) {
  const ScratchFolder folder;
  SynthOptions options = small(9);
  options.shape = {1, 200, 200};
  options.touching = 0;
  const auto nuclei = must(place_nuclei(options));
  const auto centre = [&](double share) {
    options.translocation = share;
    const GreyVolume protein = render(options, nuclei, {0, 0, 1, {0, 1}, {0, 200}, {0, 200}});
    const Nucleus& first = nuclei.front();
    const auto y = static_cast<uint64_t>(first.y), x = static_cast<uint64_t>(first.x);
    const auto beside = static_cast<uint64_t>(1.4 * first.radius_long);
    const uint64_t other = x > 100 ? x - beside : x + beside;
    return std::pair(protein.at(0, y, x), protein.at(0, y, other));
  };
  const auto [inside, outside] = centre(0.9);
  EXPECT_GT(inside, 3 * outside);
  const auto [no_longer_inside, now_outside] = centre(0.1);
  EXPECT_GT(now_outside, 2 * no_longer_inside);
  must(synthesise(options, folder / "a.ome.zarr"));
  const ImageReader reader = must(ImageReader::open(folder / "a.ome.zarr"));
  EXPECT_EQ(reader.info().axes_text(), "cyx");
  EXPECT_EQ(must(reader.read_grey({0, 0, 1, {0, 1}, {0, 200}, {0, 200}})),
            render(options, nuclei, {0, 0, 1, {0, 1}, {0, 200}, {0, 200}}));
}

TEST(Synth, SaysWhenNucleiDoNotFit) {
  SynthOptions options = small(1);
  options.nuclei = 10000;
  EXPECT_FALSE(place_nuclei(options));
  options.nuclei = 1;
  options.shape = {1, 3, 3};
  EXPECT_FALSE(place_nuclei(options));
}

}  // namespace
}  // namespace tierhub::imaging
