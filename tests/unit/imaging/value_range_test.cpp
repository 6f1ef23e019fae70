// Images whose voxels are neither uint8 nor uint16: grey values that stand for other numbers.
#include "imaging/labels/value_range.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "imaging/filters/made_image.h"
#include "tests/unit/imaging/program.h"
#include "tests/unit/imaging/volumes.h"

namespace tierhub::imaging {
namespace {

using formats::PixelType;
using test::ScratchFolder;

template <class T>
std::vector<std::byte> bytes_of_numbers(const std::vector<T>& numbers) {
  std::vector<std::byte> bytes(numbers.size() * sizeof(T));
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

// An image of `type` in which the voxels stand for numbers of the scale.
void write_numbers(const std::string& path, const GreyVolume& volume, PixelType type,
                   const GreyScale& scale) {
  ImageLayout layout;
  layout.axes = {formats::Axis::z, formats::Axis::y, formats::Axis::x};
  layout.type = type;
  layout.scale = scale;
  const Extent& size = volume.extent;
  layout.shape = {1, 1, size.z, size.y, size.x};
  layout.chunk = {1, 1, 4, 16, 16};
  const ImageWriter writer = must(ImageWriter::share(path, layout));
  must(writer.write_box(whole_box(size), volume, Parallel(1)));
}

// Balls of which one is as bright, and one voxel as dark, as 16 bits allow.
GreyVolume bright_balls(const Extent& shape, uint64_t seed) {
  GreyVolume volume = balls(shape, seed, 4);
  const auto [low, high] = std::minmax_element(volume.voxels.begin(), volume.voxels.end());
  const double factor = 65535.0 / std::max(1, *high - *low);
  for (uint16_t& voxel : volume.voxels)
    voxel = static_cast<uint16_t>(std::lround((voxel - *low) * factor));
  volume.voxels.front() = 0;
  volume.voxels.back() = 65535;
  return volume;
}

TEST(GreyScale, SpreadsGreyValuesOverTheRangeOfFloats) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> numbers = {-1, 0, 1, nan, infinity, -infinity, 5, 1.0 / 65535};
  const auto bytes = bytes_of_numbers(numbers);
  EXPECT_EQ(range_of(PixelType::float64, bytes, Parallel(2)), (ValueRange{-1, 5}));
  std::vector<uint16_t> greys(numbers.size());
  scale_to_greys(PixelType::float64, bytes, scale_of({-1, 1}, PixelType::float64), greys,
                 Parallel(1));
  EXPECT_EQ(greys, (std::vector<uint16_t>{0, 32768, 65535, 0, 65535, 0, 65535, 32768}));
  EXPECT_EQ(range_of(PixelType::float64, bytes_of_numbers(std::vector{nan, infinity}), Parallel(1)),
            std::nullopt);
}

TEST(GreyScale, KeepsIntegersThatLieInAShortRange) {
  const GreyScale kept = scale_of({-300, 65235}, PixelType::int32);
  EXPECT_EQ(kept, (GreyScale{-300, 1}));
  std::vector<uint16_t> greys(3);
  scale_to_greys(PixelType::int32, bytes_of_numbers(std::vector<int32_t>{-300, -299, 65235}), kept,
                 greys, Parallel(1));
  EXPECT_EQ(greys, (std::vector<uint16_t>{0, 1, 65535}));
  EXPECT_EQ(scale_of({-300, 65236}, PixelType::int32).step, 65536.0 / 65535);
  EXPECT_EQ(scale_of({0.25, 0.25}, PixelType::float32), (GreyScale{0.25, 1}));
  EXPECT_EQ(kept.grey_below(-301), 0u);
  EXPECT_EQ(kept.grey_below(-298.5), 1u);
  EXPECT_EQ(kept.grey_below(1e9), 65535u);
}

TEST(ValueRanges, OfBlocksAreThoseOfTheWhole) {
  const ScratchFolder folder;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Extent shape{1 + seed % 9, 20 + seed, 40 - seed};
    const std::string image = folder / ("f" + std::to_string(seed) + ".zarr");
    write_numbers(image, speckle(shape, seed), PixelType::float32, {-0.25, 0.001 * seed});
    const ImageReader reader = must(ImageReader::open(image));
    const Box whole = whole_box(shape);
    const std::string blocks = "ranges" + std::to_string(seed);
    size_t i = 0;
    for (const Box& box : must(formats::tile(whole, {4, 7 + seed, 16})))
      folder.write(blocks + "/" + std::to_string(i++) + ".json",
                   to_json_text(must(compute_range(reader, box))));
    EXPECT_EQ(to_json_text(must(read_ranges(folder / blocks, {}))),
              to_json_text(must(compute_range(reader, whole))))
        << seed;
    std::filesystem::remove(folder / (blocks + "/0.json"));
    EXPECT_FALSE(read_ranges(folder / blocks, {})) << "a block is missing";
  }
}

TEST(ValueRanges, RefuseTextsThatAreNone) {
  for (const char* text : {"", "1", "1:", ":1", "1:1", "2:1", "0:inf", "nan:1", "0:1x"})
    EXPECT_FALSE(parse_range(text)) << text;
  EXPECT_EQ(must(parse_range("-1.5:2e3")), (ValueRange{-1.5, 2000}));
}

TEST(Numbers, GiveTheLabelsOfTheGreyValuesThatStandForThem) {
  const ScratchFolder folder;
  struct Case {
    PixelType type;
    GreyScale scale;
  };
  for (const Case& one : {Case{PixelType::int16, {-32768, 1}}, Case{PixelType::int32, {-70000, 1}},
                          Case{PixelType::uint32, {0, 1000}}, Case{PixelType::float32, {0, 0.5}},
                          Case{PixelType::float64, {-1, 1.0 / 4096}}}) {
    const Extent shape{12, 50, 60};
    const GreyVolume volume = bright_balls(shape, 5);
    write_volume(folder / "grey.zarr", volume);
    const std::string image = folder / (std::string(formats::to_text(one.type)) + ".zarr");
    write_numbers(image, volume, one.type, one.scale);
    ImageReader reader = must(ImageReader::open(image));
    ASSERT_TRUE(reader.needs_scale());
    EXPECT_FALSE(reader.read_grey(whole_box(shape))) << "without a range";
    const BoxRange range = must(compute_range(reader, whole_box(shape)));
    reader.set_scale(scale_of(*range.range, one.type));
    EXPECT_EQ(must(reader.read_grey(whole_box(shape))), volume) << formats::to_text(one.type);

    const ImageReader grey = must(ImageReader::open(folder / "grey.zarr"));
    const auto labels_of = [&](const ImageReader& from) {
      return must(segment_whole(from, whole_box(shape), {}, smoothed_by(1), folder / "l.zarr"));
    };
    const MergedLabels plain = labels_of(grey).labels, scaled = labels_of(reader).labels;
    EXPECT_GT(plain.objects().size(), 3u);
    EXPECT_EQ(scaled.objects(), plain.objects());
    EXPECT_EQ(must(scaled.read(whole_box(shape))), must(plain.read(whole_box(shape))));
  }
}

TEST(Numbers, AreNamedInTablesReportsAndThresholds) {
  const ScratchFolder folder;
  const Extent shape{1, 40, 50};
  GreyVolume volume(shape);
  for (uint64_t y = 10; y < 14; ++y) volume.at(0, y, 20) = 65535;
  write_numbers(folder / "i.zarr", volume, PixelType::int16, {-30, 1.0 / 655.35});  // -30 to 70
  const Outcome outcome = imgop("segment --sigma 0 --in " + (folder / "i.zarr") + " --out " +
                                (folder / "l.zarr") + " --table " + (folder / "t.csv"));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
  EXPECT_NE(outcome.text.find("threshold -30 (Otsu)"), std::string::npos) << outcome.text;
  EXPECT_NE(test::read_bytes(folder / "t.csv").find(",280,70\n"), std::string::npos)
      << test::read_bytes(folder / "t.csv");
  const std::string block = "segment --sigma 0 --threshold 0 --in " + (folder / "i.zarr") +
                            " --box z=0:1,y=0:20,x=0:50 --out " + (folder / "b.zarr");
  const Outcome refused = imgop(block);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.text.find("has int16 pixels: say with --range"), std::string::npos)
      << refused.text;
  const Outcome range =
      imgop("range --in " + (folder / "i.zarr") + " --out " + (folder / "r.json"));
  EXPECT_EQ(range.text, "-30 to 70\n");
  EXPECT_EQ(imgop(block + " --range @" + (folder / "r.json")).text, "1 objects brighter than 0\n");
  EXPECT_EQ(imgop(block + " --range 5:1").exit_code, 2);
  // The threshold of one scale means nothing in another one.
  imgop("histogram --sigma 0 --in " + (folder / "i.zarr") + " --out " + (folder / "h.json"));
  EXPECT_EQ(
      imgop("threshold --otsu " + (folder / "h.json") + " --out " + (folder / "t.json")).text,
      "threshold -30\nreport: t.json: threshold -30 (Otsu) of i.zarr, level 0, t 0, c 0, z 0\n");
  const Outcome other =
      imgop("segment --sigma 0 --range=-40:80 --threshold @" + (folder / "t.json") + " --in " +
            (folder / "i.zarr") + " --out " + (folder / "l.zarr"));
  EXPECT_NE(other.text.find("was computed with another --range"), std::string::npos) << other.text;
}

TEST(Numbers, AreMeasured) {
  const ScratchFolder folder;
  const Extent shape{1, 60, 70};
  const GreyVolume volume = bright_balls(shape, 3);
  LabelVolume labels(shape);
  for (uint64_t x = 0; x < 70; ++x) labels.at(0, 30, x) = 1;
  write_volume(folder / "grey.zarr", volume);
  write_volume(folder / "l.zarr", labels);
  write_numbers(folder / "i.zarr", volume, PixelType::int16, {-32768, 1});
  const auto cells = [&](const std::string& image) {
    const Outcome outcome = imgop("measure --labels " + (folder / "l.zarr") + " --in " +
                                  (folder / image) + " --table " + (folder / "t.csv"));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.text;
    std::string row = test::read_bytes(folder / "t.csv");
    row = row.substr(row.find('\n') + 1);
    std::vector<double> last(6);  // sum, mean, min, max, median, sd
    for (size_t i = last.size(); i-- > 0;) {
      last[i] = std::stod(row.substr(row.rfind(',') + 1));
      row.resize(row.rfind(','));
    }
    return last;
  };
  const std::vector<double> grey = cells("grey.zarr"), numbers = cells("i.zarr");
  EXPECT_EQ(numbers[0], grey[0] - 70 * 32768.0);
  for (const size_t i : {1, 2, 3, 4}) EXPECT_NEAR(numbers[i], grey[i] - 32768, 0.1) << i;
  EXPECT_EQ(numbers[5], grey[5]);
}

TEST(Numbers, StayNumbersInFilteredImages) {
  const ScratchFolder folder;
  const Extent shape{1, 60, 70};
  const GreyVolume volume = bright_balls(shape, 3);
  const GreyScale scale{-1, 1.0 / 32768};
  write_volume(folder / "grey.zarr", volume);
  write_numbers(folder / "f.zarr", volume, PixelType::float32, scale);
  // Of a difference, 0 stays 0.
  for (const auto& [command, offset] :
       std::vector<std::pair<std::string, double>>{{"smooth --sigma 1", -1},
                                                   {"median --radius 1", -1},
                                                   {"dog --sigma 1 --wide 2", 0},
                                                   {"background --radius 3", 0}}) {
    for (const char* name : {"grey", "f"}) {
      const Outcome outcome = imgop(command + " --in " + (folder / (name + std::string(".zarr"))) +
                                    " --out " + (folder / (std::string(name) + ".out.zarr")));
      ASSERT_EQ(outcome.exit_code, 0) << outcome.text;
    }
    const ImageReader grey = must(ImageReader::open(folder / "grey.out.zarr"));
    ImageReader numbers = must(ImageReader::open(folder / "f.out.zarr"));
    EXPECT_EQ(numbers.info().type, PixelType::float32);
    const GreyVolume expected = must(grey.read_grey(whole_box(shape)));
    numbers.set_scale({offset, scale.step});
    EXPECT_EQ(must(numbers.read_grey(whole_box(shape))), expected) << command;
  }
}

std::string succeed(const std::string& command) {
  const Outcome outcome = imgop(command);
  EXPECT_EQ(outcome.exit_code, 0) << command << "\n" << outcome.text;
  return outcome.text;
}

template <class T>
std::vector<T> numbers_in(const std::string& path) {
  const ImageReader reader = must(ImageReader::open(path));
  const auto bytes = must(reader.read_numbers(must(formats::whole_volume(reader.info()))));
  std::vector<T> numbers(bytes.size() / sizeof(T));
  std::memcpy(numbers.data(), bytes.data(), bytes.size());
  return numbers;
}

TEST(Numbers, AreCalculatedWithAsTheyAre) {
  const ScratchFolder folder;
  const Extent shape{1, 600, 530};
  write_numbers(folder / "f.zarr", speckle(shape, 3), PixelType::float32, {-1, 1.0 / 4096});
  write_numbers(folder / "i.zarr", speckle(shape, 4), PixelType::int16, {-500, 1});
  write_volume(folder / "u.zarr", speckle(shape, 5));
  const auto f = numbers_in<float>(folder / "f.zarr");
  const auto i = numbers_in<int16_t>(folder / "i.zarr");
  const auto u = numbers_in<uint16_t>(folder / "u.zarr");
  const auto math = [&](const std::string& name, const std::string& what) {
    return "math --in " + (folder / name) + " --operation " + what;
  };
  const std::string scaled =
      math("f.zarr", "multiply --offset 0.125 --with " + (folder / "i.zarr"));
  EXPECT_EQ(succeed(scaled + " --out " + (folder / "p.zarr")),
            "report: p.zarr: made from f.zarr, level 0, t 0, c 0, z 0; multiply i.zarr\n");
  const auto product = numbers_in<float>(folder / "p.zarr");
  for (size_t k = 0; k < f.size(); ++k)
    ASSERT_EQ(product[k], static_cast<float>(static_cast<double>(f[k]) * i[k] + 0.125));
  for (const Box& box : must(formats::tile(whole_box(shape), {1, 512, 512})))
    succeed(scaled + " --box " + formats::to_text(box) + " --out " + (folder / "b.zarr"));
  succeed("pyramid --image " + (folder / "b.zarr"));
  EXPECT_EQ(files_below(folder / "b.zarr"), files_below(folder / "p.zarr"));
  succeed(math("u.zarr", "add --with " + (folder / "f.zarr")) + " --out " + (folder / "s.zarr"));
  const auto sum = numbers_in<uint16_t>(folder / "s.zarr");
  for (size_t k = 0; k < u.size(); ++k)
    ASSERT_EQ(sum[k], std::max(0.0, std::floor(u[k] + static_cast<double>(f[k]) + 0.5)));
  succeed(math("i.zarr", "subtract --with 70.5") + " --out " + (folder / "d.zarr"));
  const auto difference = numbers_in<int16_t>(folder / "d.zarr");
  for (size_t k = 0; k < i.size(); ++k) ASSERT_EQ(difference[k], i[k] - 70);
}

TEST(Numbers, AreCorrectedForIllumination) {
  const ScratchFolder folder;
  const Extent shape{1, 70, 90};
  const GreyScale scale{-2, 1.0 / 1024};
  const std::string range = fmt::format(" --range={}:{}", scale.offset, scale.number_of(65535));
  std::string greys, numbers;
  for (uint64_t image = 1; image <= 3; ++image) {
    const std::string name = std::to_string(image) + ".zarr";
    write_volume(folder / ("g" + name), speckle(shape, image));
    write_numbers(folder / ("f" + name), speckle(shape, image), PixelType::float32, scale);
    greys += " " + (folder / ("g" + name));
    numbers += " " + (folder / ("f" + name));
  }
  const auto sum = [&](const std::string& of, const std::string& name) {
    return imgop("illumination-sum --in" + of + " --out " + (folder / name));
  };
  EXPECT_NE(sum(numbers, "s.zarr").text.find("say with --range"), std::string::npos);
  EXPECT_EQ(sum(greys, "s.zarr").exit_code, 0);
  EXPECT_EQ(sum(numbers + range, "n.zarr").exit_code, 0);
  EXPECT_EQ(sum(numbers + " --range=-3:70", "o.zarr").exit_code, 0);
  EXPECT_EQ(numbers_in<uint32_t>(folder / "n.zarr"), numbers_in<uint32_t>(folder / "s.zarr"));
  const auto function = [&](const std::string& of, const std::string& options) {
    return "illumination --radius 9 " + options + " --in " + (folder / of) + " --out ";
  };
  // What is dark is a number of the images, too.
  succeed(function("s.zarr", "--dark 64") + (folder / "sf.zarr"));
  succeed(function("n.zarr", "--dark=-1.9375") + (folder / "nf.zarr"));
  const auto light = numbers_in<uint16_t>(folder / "nf.zarr");
  EXPECT_EQ(light, numbers_in<uint16_t>(folder / "sf.zarr"));
  const Outcome mixed =
      imgop(function("n.zarr", "") + (folder / "x.zarr") + " --in " + (folder / "o.zarr"));
  EXPECT_NE(mixed.text.find("another --range"), std::string::npos) << mixed.text;
  succeed("correct-illumination --function " + (folder / "nf.zarr") + " --in " +
          (folder / "f1.zarr") + " --out " + (folder / "c.zarr"));
  const auto before = numbers_in<float>(folder / "f1.zarr");
  const auto after = numbers_in<float>(folder / "c.zarr");
  for (size_t i = 0; i < before.size(); ++i)
    ASSERT_EQ(after[i], static_cast<float>((before[i] + 1.9375) * 16384 / light[i]));
}

TEST(Numbers, HaveMandersCoefficients) {
  const ScratchFolder folder;
  const Extent shape{1, 60, 70};
  LabelVolume labels(shape);
  for (size_t i = 0; i < labels.voxels.size(); ++i) labels.voxels[i] = i / 2100 + 1;
  write_volume(folder / "l.zarr", labels);
  for (const uint64_t seed : {1, 2}) {
    const std::string name = std::to_string(seed) + ".zarr";
    write_volume(folder / ("g" + name), speckle(shape, seed));
    write_numbers(folder / ("f" + name), speckle(shape, seed), PixelType::float32, {0, 0.25});
  }
  const auto measure = [&](const std::string& kind, double factor) {
    return fmt::format(
        "measure --labels {0}/l.zarr --in {0}/{1}1.zarr --with {0}/{1}2.zarr:b_ --colocalisation "
        "--threshold-1 {2} --threshold-2 {3} ",
        folder.path(), kind, 140 * factor, 160 * factor);
  };
  const auto last_cells = [&](const std::string& table) {
    std::string text = test::read_bytes(folder / table);
    std::string cells;
    while (!text.empty()) {
      const std::string row = text.substr(0, text.find('\n'));
      text.erase(0, row.size() + 1);
      cells += row.substr(row.rfind(',', row.rfind(',', row.rfind(',') - 1) - 1)) + "\n";
    }
    return cells;
  };
  const std::string range = "--range 0:16383.75 --with-range 0:16383.75 ";
  succeed(measure("g", 1) + "--table " + (folder / "g.csv"));
  succeed(measure("f", 0.25) + range + "--table " + (folder / "f.csv"));
  EXPECT_EQ(last_cells("f.csv"), last_cells("g.csv"));
  size_t i = 0;
  for (const Box& box : must(formats::tile(whole_box(shape), {1, 20, 37})))
    succeed(measure("f", 0.25) + range + "--box " + formats::to_text(box) + " --out " +
            (folder / fmt::format("s/{}.sums", i++)));
  succeed("merge-measures --in " + (folder / "s") + " --table " + (folder / "b.csv"));
  EXPECT_EQ(test::read_bytes(folder / "b.csv"), test::read_bytes(folder / "f.csv"));
}

// No grey value is below the smallest: what is at it would be left out without a word.
TEST(Thresholds, BelowTheSmallestNumberAreRefused) {
  const ScratchFolder folder;
  const formats::Extent shape{1, 8, 8};
  write_volume(folder / "g.zarr", speckle(shape, 1));
  write_numbers(folder / "f.zarr", speckle(shape, 1), PixelType::float32, {5, 0.25});
  for (const std::string& arguments :
       {std::string("f.zarr --threshold 4.5"), std::string("g.zarr --threshold -1")}) {
    const Outcome outcome =
        imgop("segment --sigma 0 --in " + (folder / arguments) + " --out " + (folder / "l.zarr"));
    EXPECT_EQ(outcome.exit_code, 1) << arguments;
    EXPECT_NE(outcome.text.find("is below the smallest number"), std::string::npos) << outcome.text;
  }
}

}  // namespace
}  // namespace tierhub::imaging
