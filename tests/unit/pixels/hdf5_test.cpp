// What the conformance suite does not see: levels, names, filters that libhdf5 does not have, and
// hostile files.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <sys/wait.h>

#include <blosc.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <lz4.h>
#include <zstd.h>

#include "formats/hdf5_messages.h"
#include "pixels/codecs.h"
#include "pixels/reader.h"
#include "tests/unit/formats/trees.h"
#include "tests/unit/pixels/hdf5_samples.h"

namespace tierhub::pixels {
namespace {

using formats::Hdf5Id;
using formats::Image;
using formats::PixelType;
using formats::Region;
using formats::Shape;
using test::array_bytes;
using test::Hdf5Builder;
using test::open_bytes;

constexpr H5Z_filter_t kBlosc = 32001, kLz4 = 32004, kZstd = 32015;

std::string read_all(std::unique_ptr<Image> image, uint64_t level = 0) {
  const auto reader = PixelReader::open(std::move(image), {});
  if (!reader) return reader.error().text();
  const formats::ImageInfo& info = (*reader)->info();
  const Region all = whole(info.levels[level].shape, level);
  std::string bytes(all.shape().voxels() * formats::bytes_of(info.type), '?');
  const auto done = (*reader)->read(all, info.type, std::as_writable_bytes(std::span(bytes)));
  return done ? bytes : done.error().text();
}

std::string error_of(const std::string& bytes) {
  auto image = open_bytes(bytes);
  return image ? read_all(*std::move(image)) : image.error().text();
}

// One chunk of uint16 of 8 x 16, stored as `packed` behind filters that need not exist.
std::string one_chunk(const std::vector<H5Z_filter_t>& filters, const std::string& packed,
                      uint32_t skipped = 0) {
  Hdf5Builder builder;
  {
    const hsize_t sizes[] = {8, 16}, at[] = {0, 0};
    const Hdf5Id space(H5Screate_simple(2, sizes, nullptr), H5Sclose);
    const Hdf5Id creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_chunk(creation.get(), 2, sizes);
    for (const H5Z_filter_t filter : filters)
      H5Pset_filter(creation.get(), filter, H5Z_FLAG_OPTIONAL, 0, nullptr);
    const Hdf5Id dataset(H5Dcreate2(builder.file(), "a", H5T_STD_U16LE, space.get(), H5P_DEFAULT,
                                    creation.get(), H5P_DEFAULT),
                         H5Dclose);
    EXPECT_TRUE(dataset);
    EXPECT_GE(H5Dwrite_chunk(dataset.get(), H5P_DEFAULT, skipped, at, packed.size(), packed.data()),
              0);
  }
  return builder.finish();
}

const Shape kChunk{1, 1, 1, 8, 16};

std::string big_endian_32(size_t number) {
  return test::bytes_of_number(static_cast<uint32_t>(number), true);
}

// In blocks of 200 bytes; the first is stored as it is.
std::string as_hdf5_lz4(const std::string& bytes) {
  constexpr size_t kBlockBytes = 200;
  std::string packed = big_endian_32(0) + big_endian_32(bytes.size()) + big_endian_32(kBlockBytes);
  for (size_t at = 0; at < bytes.size(); at += kBlockBytes) {
    const std::string block = bytes.substr(at, kBlockBytes);
    std::string out(static_cast<size_t>(LZ4_compressBound(kBlockBytes)), '\0');
    out.resize(static_cast<size_t>(LZ4_compress_default(
        block.data(), out.data(), static_cast<int>(block.size()), static_cast<int>(out.size()))));
    const std::string& stored = at == 0 ? block : out;
    packed += big_endian_32(stored.size()) + stored;
  }
  return packed;
}

TEST(Hdf5, ReadsTheRegisteredFilters) {
  const std::string voxels = array_bytes<uint16_t>(kChunk);
  EXPECT_EQ(error_of(one_chunk({kLz4}, as_hdf5_lz4(voxels))), voxels);
  std::string zstd(ZSTD_compressBound(voxels.size()), '\0');
  zstd.resize(ZSTD_compress(zstd.data(), zstd.size(), voxels.data(), voxels.size(), 3));
  EXPECT_EQ(error_of(one_chunk({kZstd}, zstd)), voxels);
  const auto blosc = compress_blosc(std::as_bytes(std::span(voxels)), 2);
  ASSERT_TRUE(blosc);
  const std::string packed(reinterpret_cast<const char*>(blosc->data()), blosc->size());
  EXPECT_EQ(error_of(one_chunk({kBlosc}, packed)), voxels);
}

TEST(Hdf5, NamesAFilterThatItCannotUndo) {
  const auto image = open_bytes(one_chunk({32013}, "?"));
  ASSERT_TRUE(image);
  EXPECT_NE((*image)->info().not_decodable.value_or("").find("32013"), std::string::npos);
}

TEST(Hdf5, LeavesOutTheFiltersThatAChunkSkipped) {
  const std::string voxels = array_bytes<uint16_t>(kChunk);
  EXPECT_EQ(error_of(one_chunk({kLz4}, voxels, 1)), voxels);
  EXPECT_EQ(error_of(one_chunk({H5Z_FILTER_FLETCHER32, kZstd}, voxels, 3)), voxels);
}

TEST(Hdf5, VerifiesFletcher32) {
  const std::string voxels = array_bytes<uint16_t>(kChunk);
  const uint32_t sum = fletcher32(std::as_bytes(std::span(voxels)));
  const std::string good = voxels + test::bytes_of_number(sum, false);
  EXPECT_EQ(error_of(one_chunk({H5Z_FILTER_FLETCHER32}, good)), voxels);
  std::string bad = good;
  bad[17] ^= 4;
  EXPECT_NE(error_of(one_chunk({H5Z_FILTER_FLETCHER32}, bad)).find("checksum"), std::string::npos);
  // Behind the checksum, so that it is inside what is compressed.
  std::string zstd(ZSTD_compressBound(good.size()), '\0');
  zstd.resize(ZSTD_compress(zstd.data(), zstd.size(), good.data(), good.size(), 3));
  EXPECT_EQ(error_of(one_chunk({H5Z_FILTER_FLETCHER32, kZstd}, zstd)), voxels);
}

TEST(Hdf5, ReadsTheLevelsAndNamesOfImaris) {
  auto image = open_bytes(test::imaris_file());
  ASSERT_TRUE(image) << image.error().text();
  const formats::ImageInfo& info = (*image)->info();
  EXPECT_EQ(info.format, "Imaris");
  EXPECT_EQ(info.axes_text(), "tczyx");
  ASSERT_EQ(info.levels.size(), 2u);
  EXPECT_EQ(info.levels[1].shape, (Shape{2, 2, 3, 9, 12}));
  EXPECT_EQ(info.levels[0].voxel_size, (formats::VoxelSize{2, 11.5 / 17, 0.5}));
  EXPECT_EQ(info.voxel_unit, "micrometer");
  ASSERT_EQ(info.channels.size(), 2u);
  EXPECT_EQ(info.channels[0].name, "DAPI");
  EXPECT_EQ(info.channels[0].colour, 0x0000FFu);
  EXPECT_FALSE(info.channels[1].colour);
  EXPECT_EQ(read_all(*std::move(image), 1), array_bytes<uint16_t>({2, 2, 3, 9, 12}));
}

TEST(Hdf5, ReadsTheNamesAndVoxelSizesOfBigDataViewer) {
  const auto setup = [](int id, const char* name, const char* size) {
    return fmt::format(
        "<ViewSetup><id>{}</id><name>{}</name><size>17 13 6</size><voxelSize><unit>\u00B5m</unit>"
        "<size>{}</size></voxelSize></ViewSetup>",
        id, name, size);
  };
  const auto open = [](test::Files files) {
    return Image::open(std::make_shared<test::MemoryTree>("a.h5", std::move(files))).value();
  };
  test::Files files = test::big_data_viewer().files;
  const auto image = open(files);
  ASSERT_EQ(image->info().channels.size(), 2u);
  EXPECT_FALSE(image->info().levels[0].voxel_size_known);
  const auto with_xml = [&](const char* second_size) {
    files["a.xml"] =
        "<?xml version=\"1.0\"?><SpimData version=\"0.2\"><SequenceDescription><ViewSetups>" +
        setup(0, "DAPI", "0.25 0.5 2") + setup(1, "GFP", second_size) +
        "</ViewSetups></SequenceDescription></SpimData>";
    return open(files);
  };
  const auto described = with_xml("0.25 0.5 2");
  EXPECT_EQ(described->info().channels[0].name, "DAPI");
  EXPECT_EQ(described->info().channels[1].name, "GFP");
  EXPECT_EQ(described->info().voxel_unit, "micrometer");
  EXPECT_EQ(described->info().levels[0].voxel_size, (formats::VoxelSize{2, 0.5, 0.25}));
  EXPECT_EQ(described->info().levels[1].voxel_size, (formats::VoxelSize{2, 1, 0.5}));
  // One size cannot stand for two.
  const auto different = with_xml("0.3 0.5 2");
  EXPECT_EQ(different->info().channels[1].name, "GFP");
  EXPECT_FALSE(different->info().levels[0].voxel_size_known);
}

TEST(Hdf5, ListsTheArraysWhenThereAreSeveral) {
  Hdf5Builder builder;
  builder.add("/raw", H5T_STD_U8LE, {4, 4}, {}, std::string(16, '\1'));
  builder.add("/labels/final", H5T_STD_U8LE, {4, 4}, {}, std::string(16, '\1'));
  const std::string text = error_of(builder.finish());
  EXPECT_NE(text.find("/labels/final, /raw"), std::string::npos) << text;
}

TEST(Hdf5, IgnoresLoopsOfLinksAndOtherFiles) {
  Hdf5Builder builder;
  builder.add("/a/b/data", H5T_STD_U16LE, {8, 16}, {}, array_bytes<uint16_t>(kChunk));
  {
    EXPECT_GE(H5Lcreate_hard(builder.file(), "/a", builder.file(), "/a/b/loop", 0, 0), 0);
    EXPECT_GE(H5Lcreate_soft("/soft", builder.file(), "/soft", 0, 0), 0);
    EXPECT_GE(H5Lcreate_soft("/a/b/data", builder.file(), "/again", 0, 0), 0);
    EXPECT_GE(H5Lcreate_external("/etc/passwd", "/x", builder.file(), "/outside", 0, 0), 0);
  }
  EXPECT_EQ(error_of(builder.finish()), array_bytes<uint16_t>(kChunk));
}

TEST(Hdf5, RefusesAnImageInAnotherFile) {
  Hdf5Builder builder;
  builder.add_group("/DataSet/ResolutionLevel 0/TimePoint 0/Channel 0");
  {
    EXPECT_GE(H5Lcreate_external("a.h5", "/volume/data", builder.file(),
                                 "/DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data", 0, 0),
              0);
  }
  EXPECT_NE(error_of(builder.finish()).find("no array"), std::string::npos);
}

TEST(Hdf5, RefusesVirtualAndExternalArrays) {
  for (const bool is_virtual : {false, true}) {
    Hdf5Builder builder;
    {
      const hsize_t sizes[] = {8, 16};
      const Hdf5Id space(H5Screate_simple(2, sizes, nullptr), H5Sclose);
      const Hdf5Id creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
      if (is_virtual)
        H5Pset_virtual(creation.get(), space.get(), "other.h5", "/a", space.get());
      else
        H5Pset_external(creation.get(), "/etc/passwd", 0, 256);
      const Hdf5Id dataset(
          H5Dcreate2(builder.file(), "a", H5T_STD_U16LE, space.get(), 0, creation.get(), 0),
          H5Dclose);
      EXPECT_TRUE(dataset);
    }
    EXPECT_NE(error_of(builder.finish()).find("not supported"), std::string::npos);
  }
}

TEST(Hdf5, RefusesImpossibleSizes) {
  Hdf5Builder builder;
  builder.add("/a", H5T_STD_U8LE, {uint64_t{1} << 30, uint64_t{1} << 30}, {{8, 8}, {}, {}, {}}, "");
  EXPECT_NE(error_of(builder.finish()).find("impossibly large"), std::string::npos);
}

// Its 56 bits of voxels are not stored: nothing is read, and nothing as large is allocated.
TEST(Hdf5, OpensAHugeArrayThatIsNotStored) {
  Hdf5Builder builder;
  builder.add("/a", H5T_STD_U8LE, {uint64_t{1} << 28, uint64_t{1} << 28}, {{64, 64}, {}, {}, {}},
              "");
  auto image = open_bytes(builder.finish());
  ASSERT_TRUE(image) << image.error().text();
  EXPECT_FALSE((*image)->for_each_chunk(whole((*image)->info().levels[0].shape, 0),
                                        [](const auto&) { return Result<void>(); }));
}

TEST(Hdf5, RefusesAChunkBeyondTheEndOfTheFile) {
  std::string bytes = one_chunk({kLz4}, as_hdf5_lz4(array_bytes<uint16_t>(kChunk)));
  const std::string head = big_endian_32(0) + big_endian_32(256) + big_endian_32(200);
  const uint64_t at = bytes.find(head);
  ASSERT_NE(at, std::string::npos);
  const size_t address = bytes.find(test::bytes_of_number(at, false));
  ASSERT_NE(address, std::string::npos);
  for (const uint64_t wrong : {uint64_t{1} << 40, uint64_t{bytes.size()}, UINT64_MAX - 5}) {
    std::string damaged = bytes;
    damaged.replace(address, 8, test::bytes_of_number(wrong, false));
    EXPECT_NE(error_of(damaged).find("truncated or damaged"), std::string::npos);
  }
}

// libhdf5 1.10 copies as many bytes of a fill value as its message, version 3, claims to have.
TEST(Hdf5, RefusesAFileOnWhichTheLibraryCrashes) {
  Hdf5Builder builder;
  builder.add("/a", H5T_STD_U32LE, {8, 8}, {}, array_bytes<uint32_t>({1, 1, 1, 8, 8}), "fill");
  std::string bytes = builder.finish();
  const size_t value = bytes.find("fill");
  ASSERT_NE(value, std::string::npos);
  ASSERT_EQ(bytes.substr(value - 4, 4), test::bytes_of_number(uint32_t{4}, false));
  bytes.replace(value - 8, 6, "\x03\x2A" + test::bytes_of_number(uint32_t{1} << 26, false));
  const std::string text = error_of(bytes);
  EXPECT_NE(text.find("libhdf5 crashed"), std::string::npos) << text;
  // Its process has been waited for.
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

// An answer of "it is not there" may mean that it could not be read.
TEST(Hdf5, FailsIfAnAttributeCannotBeRead) {
  const std::string bytes = test::imaris_file();
  const size_t name = bytes.find("DAPI");
  ASSERT_NE(name, std::string::npos);
  class Broken : public test::MemoryTree {
   public:
    Broken(std::string path, std::map<std::string, std::string> files, size_t at)
        : MemoryTree(std::move(path), std::move(files)), at_(at) {}
    Result<size_t> read_at(const std::string& file, std::span<std::byte> buffer,
                           uint64_t offset_bytes) const override {
      if (offset_bytes <= at_ && at_ < offset_bytes + buffer.size())
        return Error(std::errc::io_error, "the archive is gone");
      return MemoryTree::read_at(file, buffer, offset_bytes);
    }

   private:
    const size_t at_;
  };
  const auto image = Image::open(
      std::make_shared<Broken>("a", std::map<std::string, std::string>{{"a", bytes}}, name));
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().text(), "the archive is gone");
}

TEST(Hdf5, RefusesAFileThatTakesTooLong) {
  const auto tree = std::make_shared<formats::NotedTree>(std::make_shared<test::MemoryTree>(
      "a", test::Files{{"a", one_chunk({}, array_bytes<uint16_t>(kChunk))}}));
  auto process =
      formats::IsolatedProcess::start(tree, 1, "libhdf5", formats::hdf5_answerer("image", 1),
                                      std::chrono::seconds(1))
          .value();
  pid_t child = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
    std::ifstream(thread.path() / "children") >> child;
  ASSERT_GT(child, 0);
  ASSERT_EQ(::kill(child, SIGSTOP), 0);
  for (int i = 0; i < 2; ++i) {
    const auto answer = process->ask("");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().text(),
              "image is damaged: reading it, libhdf5 did not come to an end in 1 s");
  }
  EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), -1);
}

TEST(Hdf5, EndsItsProcessWithTheImage) {
  {
    const auto image = open_bytes(one_chunk({}, array_bytes<uint16_t>(kChunk)));
    ASSERT_TRUE(image);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), 0);
  }
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

TEST(Hdf5, RefusesTooManyObjects) {
  Hdf5Builder builder;
  for (int i = 0; i < 40; ++i)
    builder.add_group("/" + std::string(static_cast<size_t>(i) + 1, 'g') + "/h");
  std::string deep;
  for (int i = 0; i < 50; ++i) deep += "/d";
  builder.add_group(deep);
  EXPECT_NE(error_of(builder.finish()).find("inside each other"), std::string::npos);
}

}  // namespace
}  // namespace tierhub::pixels
