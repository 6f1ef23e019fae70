#include "tests/unit/pixels/hdf5_samples.h"

#include <stdexcept>

#include <fmt/format.h>

namespace tierhub::test {
namespace {

using formats::Hdf5Id;
using formats::PixelType;
using formats::Shape;

const Shape kShape{1, 1, 5, 23, 31};

Hdf5Id checked(hid_t id, Hdf5Id::Close close) {
  if (id < 0) throw std::runtime_error("libhdf5 cannot write a sample");
  return {id, close};
}

void check(herr_t status) {
  if (status < 0) throw std::runtime_error("libhdf5 cannot write a sample");
}

Hdf5Id with_groups() {
  Hdf5Id links = checked(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  check(H5Pset_create_intermediate_group(links.get(), 1));
  return links;
}

template <class T>
Sample plain(const std::string& name, PixelType type, hid_t stored, const Hdf5Storage& storage,
             bool big_endian = false, uint64_t user_block_bytes = 0, bool latest = false) {
  Hdf5Builder builder(user_block_bytes, latest);
  builder.add("/volume/data", stored, {5, 23, 31}, storage, array_bytes<T>(kShape, big_endian));
  builder.add_numbers("/volume/data", "element_size_um", {2, 0.5, 0.25});
  return {"Hdf5" + name, type, kShape, {{"a.h5", builder.finish()}}, "a.h5", {}};
}

Sample half(bool big_endian) {
  Hdf5Id type;
  {
    type = Hdf5Id(H5Tcopy(big_endian ? H5T_IEEE_F32BE : H5T_IEEE_F32LE), H5Tclose);
    check(H5Tset_fields(type.get(), 15, 10, 5, 0, 10));
    check(H5Tset_size(type.get(), 2));
    check(H5Tset_ebias(type.get(), 15));
  }
  std::string bytes;
  for (uint64_t z = 0; z < kShape.z; ++z)
    for (uint64_t y = 0; y < kShape.y; ++y)
      for (uint64_t x = 0; x < kShape.x; ++x)
        bytes += bytes_of_number(to_half(voxel_at<float>(0, 0, z, y, x)), big_endian);
  Hdf5Builder builder;
  builder.add("/a", type.get(), {5, 23, 31}, {{2, 8, 16}, true, true, false}, bytes);
  return {big_endian ? "Hdf5HalfBigEndian" : "Hdf5Half",
          PixelType::float32,
          kShape,
          {{"a.h5", builder.finish()}},
          "a.h5",
          {}};
}

Sample boolean() {
  Hdf5Id type;
  {
    type = Hdf5Id(H5Tenum_create(H5T_STD_I8LE), H5Tclose);
    int8_t value = 0;
    check(H5Tenum_insert(type.get(), "FALSE", &value));
    value = 1;
    check(H5Tenum_insert(type.get(), "TRUE", &value));
  }
  std::string bytes;
  for (uint64_t i = 0; i < 23 * 31; ++i) bytes += static_cast<char>(i % 3 == 0);
  Hdf5Builder builder;
  builder.add("/mask", type.get(), {23, 31}, {{8, 16}, false, true, false}, bytes);
  Sample sample{
      "Hdf5Boolean", PixelType::uint8, {1, 1, 1, 23, 31}, {{"a.h5", builder.finish()}}, "a.h5", {}};
  sample.expected = [](uint64_t, uint64_t, uint64_t, uint64_t y, uint64_t x) {
    return (y * 31 + x) % 3 == 0 ? 1.0 : 0.0;
  };
  return sample;
}

// Only the first two planes of chunks are stored.
Sample unallocated(bool chunked) {
  Hdf5Builder builder;
  const uint16_t fill = 40'001;
  const std::string fill_bytes = bytes_of_number(fill, false);
  builder.add(
      "/a", H5T_STD_U16LE, {5, 23, 31},
      {chunked ? std::vector<hsize_t>{1, 8, 16} : std::vector<hsize_t>(), false, false, false},
      chunked ? array_bytes<uint16_t>({1, 1, 2, 23, 31}) : "", fill_bytes);
  Sample sample{chunked ? "Hdf5ChunksThatAreNotStored" : "Hdf5ArrayThatIsNotStored",
                PixelType::uint16,
                kShape,
                {{"a.h5", builder.finish()}},
                "a.h5",
                {}};
  sample.expected = [=](uint64_t, uint64_t, uint64_t z, uint64_t y, uint64_t x) -> double {
    return chunked && z < 2 ? voxel_at<uint16_t>(0, 0, z, y, x) : fill;
  };
  return sample;
}

Sample named_axes() {
  const Shape shape{2, 3, 1, 9, 14};
  Hdf5Builder builder;
  std::string bytes;
  for (uint64_t y = 0; y < shape.y; ++y)
    for (uint64_t t = 0; t < shape.t; ++t)
      for (uint64_t x = 0; x < shape.x; ++x)
        for (uint64_t c = 0; c < shape.c; ++c)
          bytes += bytes_of_number(voxel_at<int32_t>(t, c, 0, y, x), false);
  builder.add("/a", H5T_STD_I32LE, {9, 2, 14, 3}, {{4, 1, 8, 2}, false, true, false}, bytes);
  builder.add_text("/a", "axes", "ytxc");
  return {"Hdf5NamedAxes", PixelType::int32, shape, {{"a.h5", builder.finish()}}, "a.h5", {}};
}

}  // namespace

Sample big_data_viewer() {
  const Shape shape{2, 2, 4, 17, 21};
  Hdf5Builder builder;
  for (uint64_t t = 0; t < shape.t; ++t)
    for (uint64_t c = 0; c < shape.c; ++c)
      for (uint64_t level = 0; level < 2; ++level) {
        Shape one{1, 1, 4, 17, 21};
        if (level == 1) one = {1, 1, 4, 9, 11};
        builder.add(fmt::format("/t{:05}/s{:02}/{}/cells", t, c, level), H5T_STD_I16LE,
                    {one.z, one.y, one.x}, {{2, 8, 8}, false, true, false},
                    array_bytes<uint16_t>(one, false, t, c));
      }
  for (uint64_t c = 0; c < shape.c; ++c)
    builder.add(fmt::format("/s{:02}/resolutions", c), H5T_IEEE_F64LE, {2, 3}, {},
                std::string(48, '\0'));
  return {"BigDataViewer", PixelType::uint16, shape, {{"a.h5", builder.finish()}}, "a.h5", {}};
}

namespace {

// `shape` in an array of `sizes`; what is beyond it has another number.
std::string padded(const Shape& shape, const Shape& sizes, uint64_t t, uint64_t c) {
  std::string bytes;
  for (uint64_t z = 0; z < sizes.z; ++z)
    for (uint64_t y = 0; y < sizes.y; ++y)
      for (uint64_t x = 0; x < sizes.x; ++x) {
        const bool inside = z < shape.z && y < shape.y && x < shape.x;
        bytes += bytes_of_number(inside ? voxel_at<uint16_t>(t, c, z, y, x) : uint16_t{7}, false);
      }
  return bytes;
}

}  // namespace

Hdf5Builder::Hdf5Builder(uint64_t user_block_bytes, bool latest) {
  const Hdf5Id access = checked(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  if (latest) check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_LATEST, H5F_LIBVER_LATEST));
  const Hdf5Id creation = checked(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  if (user_block_bytes > 0) check(H5Pset_userblock(creation.get(), user_block_bytes));
  file_ = checked(
      H5Fcreate((folder_ / "file").c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose);
}

void Hdf5Builder::add(const std::string& path, hid_t stored, const std::vector<hsize_t>& sizes,
                      const Hdf5Storage& storage, const std::string& bytes,
                      const std::string& fill) {
  const Hdf5Id space =
      checked(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr), H5Sclose);
  const Hdf5Id creation = checked(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  if (!storage.chunk.empty())
    check(
        H5Pset_chunk(creation.get(), static_cast<int>(storage.chunk.size()), storage.chunk.data()));
  if (storage.shuffle) check(H5Pset_shuffle(creation.get()));
  if (storage.deflate) check(H5Pset_deflate(creation.get(), 4));
  if (storage.fletcher32) check(H5Pset_fletcher32(creation.get()));
  if (!fill.empty()) check(H5Pset_fill_value(creation.get(), stored, fill.data()));
  const Hdf5Id links = with_groups();
  const Hdf5Id dataset = checked(H5Dcreate2(file(), path.c_str(), stored, space.get(), links.get(),
                                            creation.get(), H5P_DEFAULT),
                                 H5Dclose);
  if (bytes.empty()) return;
  // As many of the first planes as there are bytes for.
  std::vector<hsize_t> part = sizes;
  uint64_t plane_bytes = H5Tget_size(stored);
  for (size_t i = 1; i < sizes.size(); ++i) plane_bytes *= sizes[i];
  part[0] = bytes.size() / plane_bytes;
  const std::vector<hsize_t> start(sizes.size(), 0);
  check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, part.data(),
                            nullptr));
  const Hdf5Id memory =
      checked(H5Screate_simple(static_cast<int>(part.size()), part.data(), nullptr), H5Sclose);
  check(H5Dwrite(dataset.get(), stored, memory.get(), space.get(), H5P_DEFAULT, bytes.data()));
}

void Hdf5Builder::add_group(const std::string& path) {
  const Hdf5Id links = with_groups();
  checked(H5Gcreate2(file(), path.c_str(), links.get(), H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
}

void Hdf5Builder::add_numbers(const std::string& path, const std::string& name,
                              const std::vector<double>& numbers) {
  const hsize_t count = numbers.size();
  const Hdf5Id space = checked(H5Screate_simple(1, &count, nullptr), H5Sclose);
  const Hdf5Id attribute =
      checked(H5Acreate_by_name(file(), path.c_str(), name.c_str(), H5T_IEEE_F64LE, space.get(),
                                H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
              H5Aclose);
  check(H5Awrite(attribute.get(), H5T_NATIVE_DOUBLE, numbers.data()));
}

void Hdf5Builder::add_text(const std::string& path, const std::string& name,
                           const std::string& text) {
  const hsize_t count = text.size();
  const Hdf5Id space = checked(H5Screate_simple(1, &count, nullptr), H5Sclose);
  const Hdf5Id type = checked(H5Tcopy(H5T_C_S1), H5Tclose);
  const Hdf5Id attribute =
      checked(H5Acreate_by_name(file(), path.c_str(), name.c_str(), type.get(), space.get(),
                                H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
              H5Aclose);
  check(H5Awrite(attribute.get(), type.get(), text.data()));
}

std::string Hdf5Builder::finish() {
  file_ = {};
  return read_bytes(folder_ / "file");
}

std::string imaris_file() {
  Hdf5Builder builder;
  for (uint64_t level = 0; level < 2; ++level)
    for (uint64_t t = 0; t < 2; ++t)
      for (uint64_t c = 0; c < 2; ++c) {
        const Shape shape{1, 1, 3, level == 0 ? 17u : 9u, level == 0 ? 23u : 12u};
        const Shape sizes{1, 1, 4, level == 0 ? 20u : 10u, level == 0 ? 24u : 12u};
        const std::string channel =
            fmt::format("/DataSet/ResolutionLevel {}/TimePoint {}/Channel {}", level, t, c);
        builder.add(channel + "/Data", H5T_STD_U16LE, {sizes.z, sizes.y, sizes.x},
                    {{2, 8, 8}, false, true, false}, padded(shape, sizes, t, c));
        builder.add(channel + "/Histogram", H5T_STD_U64LE, {4}, {}, std::string(32, '\1'));
        builder.add_text(channel, "ImageSizeX", fmt::format("{}", shape.x));
        builder.add_text(channel, "ImageSizeY", fmt::format("{}", shape.y));
        builder.add_text(channel, "ImageSizeZ", fmt::format("{}", shape.z));
      }
  builder.add_group("/DataSetInfo/Image");
  for (int i = 0; i < 3; ++i) {
    builder.add_text("/DataSetInfo/Image", fmt::format("ExtMin{}", i), "1.5");
    builder.add_text("/DataSetInfo/Image", fmt::format("ExtMax{}", i), i == 2 ? "7.5" : "13.0");
  }
  builder.add_text("/DataSetInfo/Image", "Unit", "um");
  builder.add_group("/DataSetInfo/Channel 0");
  builder.add_text("/DataSetInfo/Channel 0", "Name", "DAPI");
  builder.add_text("/DataSetInfo/Channel 0", "Color", "0.000 0.000 1.000");
  return builder.finish();
}

std::vector<Sample> hdf5_samples() {
  const Hdf5Storage bands{}, chunks{{2, 8, 16}, false, false, false},
      deflate{{2, 8, 16}, false, true, false}, shuffle{{2, 8, 16}, true, true, false},
      checksum{{2, 8, 16}, false, false, true}, all{{2, 8, 16}, true, true, true};
  return {
      plain<uint8_t>("Uint8", PixelType::uint8, H5T_STD_U8LE, bands),
      plain<int8_t>("Int8", PixelType::int8, H5T_STD_I8LE, deflate),
      plain<uint16_t>("Uint16", PixelType::uint16, H5T_STD_U16LE, chunks),
      plain<int16_t>("Int16", PixelType::int16, H5T_STD_I16LE, shuffle),
      plain<uint32_t>("Uint32", PixelType::uint32, H5T_STD_U32LE, checksum),
      plain<int32_t>("Int32", PixelType::int32, H5T_STD_I32LE, all),
      plain<uint64_t>("Uint64", PixelType::uint64, H5T_STD_U64LE, bands),
      plain<int64_t>("Int64", PixelType::int64, H5T_STD_I64LE, shuffle),
      plain<float>("Float32", PixelType::float32, H5T_IEEE_F32LE, all),
      plain<double>("Float64", PixelType::float64, H5T_IEEE_F64LE, deflate),
      plain<uint16_t>("BigEndian", PixelType::uint16, H5T_STD_U16BE, shuffle, true),
      plain<float>("BigEndianBands", PixelType::float32, H5T_IEEE_F32BE, bands, true),
      plain<uint16_t>("UserBlock", PixelType::uint16, H5T_STD_U16LE, chunks, false, 512),
      plain<uint16_t>("UserBlockBands", PixelType::uint16, H5T_STD_U16LE, bands, false, 512),
      plain<uint16_t>("Latest", PixelType::uint16, H5T_STD_U16LE, all, false, 0, true),
      half(false),
      half(true),
      boolean(),
      unallocated(true),
      unallocated(false),
      named_axes(),
      big_data_viewer(),
      {"Imaris", PixelType::uint16, {2, 2, 3, 17, 23}, {{"a.ims", imaris_file()}}, "a.ims", {}}};
}

}  // namespace tierhub::test
