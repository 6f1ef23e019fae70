// OME-Zarr 0.4 and 0.5, written chunk by chunk.
#include <algorithm>

#include <blosc.h>
#include <fmt/format.h>
#include <lz4.h>
#include <zlib.h>
#include <zstd.h>

#include "formats/crc32c.h"
#include "tests/unit/pixels/samples.h"

namespace tierhub::test {
namespace {

using formats::PixelType;
using formats::Shape;

std::string deflated(const std::string& bytes, int window_bits) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string packed(bytes.size() + 1000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string packed(const std::string& codec, const std::string& bytes, size_t item_bytes) {
  if (codec == "zlib") return deflated(bytes, 15);
  if (codec == "gzip") return deflated(bytes, 15 + 16);
  if (codec == "zstd") {
    std::string out(ZSTD_compressBound(bytes.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3));
    return out;
  }
  if (codec == "lz4") {
    std::string out(static_cast<size_t>(LZ4_compressBound(static_cast<int>(bytes.size()))), '\0');
    out.resize(static_cast<size_t>(LZ4_compress_default(
        bytes.data(), out.data(), static_cast<int>(bytes.size()), static_cast<int>(out.size()))));
    return bytes_of_number(static_cast<uint32_t>(bytes.size()), false) + out;
  }
  if (codec == "blosc") {
    std::string out(bytes.size() + BLOSC_MAX_OVERHEAD, '\0');
    out.resize(
        static_cast<size_t>(blosc_compress_ctx(5, BLOSC_SHUFFLE, item_bytes, bytes.size(),
                                               bytes.data(), out.data(), out.size(), "lz4", 0, 1)));
    return out;
  }
  return bytes;
}

struct Zarr {
  std::string axes = "tczyx";
  Shape shape{2, 3, 5, 13, 17};
  Shape chunk{1, 2, 2, 5, 8};
  std::string codec = "none";
  bool big_endian = false;
  char separator = '/';
  bool fortran = false;
  // Only version 3.
  bool checksum = false;
  Shape shard;  // in chunks; all 1: no shards
  bool sharded = false;
  bool index_at_start = false;
  // No chunk is stored whose index is divisible by this.
  uint64_t leave_out = 0;
};

constexpr int kFill = 9;

formats::Axis axis_of(char letter) { return *formats::to_axis(std::string(1, letter)); }

std::string list(const Zarr& zarr, const Shape& sizes) {
  std::string text;
  for (const char axis : zarr.axes)
    text += fmt::format("{}{}", text.empty() ? "" : ",", sizes.along(axis_of(axis)));
  return "[" + text + "]";
}

template <class T>
class Writer {
 public:
  explicit Writer(Zarr zarr) : zarr_(std::move(zarr)), grid_{zarr_.shape, zarr_.chunk} {}

  // The uncompressed voxels of a chunk, with those beyond the edge.
  std::string raw_chunk(const Shape& at) const {
    std::string order = zarr_.axes;
    if (zarr_.fortran) std::reverse(order.begin(), order.end());
    std::string bytes;
    const uint64_t count = zarr_.chunk.voxels();
    for (uint64_t i = 0; i < count; ++i) {
      Shape voxel{0, 0, 0, 0, 0};
      uint64_t rest = i;
      for (size_t k = order.size(); k-- > 0;) {
        const formats::Axis axis = axis_of(order[k]);
        const uint64_t size = zarr_.chunk.along(axis);
        voxel.along(axis) =
            (zarr_.axes.find(order[k]) == std::string::npos ? 0 : at.along(axis)) * size +
            rest % size;
        rest /= size;
      }
      bytes += bytes_of_number(voxel_at<T>(voxel.t, voxel.c, voxel.z, voxel.y, voxel.x),
                               zarr_.big_endian);
    }
    return bytes;
  }
  bool is_stored(const Shape& at) const {
    return zarr_.leave_out == 0 || grid_.index_of(at) % zarr_.leave_out != 0;
  }
  std::string stored_chunk(const Shape& at) const {
    std::string bytes = packed(zarr_.codec, raw_chunk(at), sizeof(T));
    if (zarr_.checksum)
      bytes += bytes_of_number(formats::crc32c(std::as_bytes(std::span(bytes))), false);
    return bytes;
  }
  std::string key(const Shape& at) const {
    std::string text;
    for (const char axis : zarr_.axes)
      text += fmt::format("{}{}", text.empty() ? "" : std::string(1, zarr_.separator),
                          at.along(axis_of(axis)));
    return text;
  }
  template <class Use>
  static void for_each(const Shape& counts, Use&& use) {
    Shape at;
    for (at.t = 0; at.t < counts.t; ++at.t)
      for (at.c = 0; at.c < counts.c; ++at.c)
        for (at.z = 0; at.z < counts.z; ++at.z)
          for (at.y = 0; at.y < counts.y; ++at.y)
            for (at.x = 0; at.x < counts.x; ++at.x) use(at);
  }
  Shape counts() const { return grid_.counts(); }

  std::string shard(const Shape& at) const {
    std::string body, index;
    const size_t index_bytes = zarr_.shard.voxels() * 16 + 4;
    for_each(zarr_.shard, [&](const Shape& own) {
      Shape chunk;
      bool inside = true;
      const Shape all = counts();
      for (const char letter : zarr_.axes) {
        const formats::Axis axis = axis_of(letter);
        chunk.along(axis) = at.along(axis) * zarr_.shard.along(axis) + own.along(axis);
        inside = inside && chunk.along(axis) < all.along(axis);
      }
      if (!inside || !is_stored(chunk)) {
        index += std::string(16, '\xff');
        return;
      }
      const std::string bytes = stored_chunk(chunk);
      index +=
          bytes_of_number<uint64_t>(body.size() + (zarr_.index_at_start ? index_bytes : 0), false);
      index += bytes_of_number<uint64_t>(bytes.size(), false);
      body += bytes;
    });
    index += bytes_of_number(formats::crc32c(std::as_bytes(std::span(index))), false);
    return zarr_.index_at_start ? index + body : body + index;
  }

 private:
  Zarr zarr_;
  formats::Grid grid_;
};

std::string multiscales(const Zarr& zarr) {
  std::string axes;
  for (const char axis : zarr.axes)
    axes += fmt::format("{}{{\"name\":\"{}\"}}", axes.empty() ? "" : ",", axis);
  return fmt::format(R"("multiscales":[{{"axes":[{}],"datasets":[{{"path":"s0"}}]}}])", axes);
}

template <class T>
Files version_2(const Zarr& zarr, const std::string& dtype) {
  const Writer<T> writer(zarr);
  Files files;
  files[".zgroup"] = R"({"zarr_format":2})";
  files[".zattrs"] = "{" + multiscales(zarr) + "}";
  files["s0/.zarray"] = fmt::format(
      R"({{"zarr_format":2,"shape":{},"chunks":{},"dtype":"{}{}","compressor":{},"fill_value":{},)"
      R"("order":"{}","filters":null,"dimension_separator":"{}"}})",
      list(zarr, zarr.shape), list(zarr, zarr.chunk),
      sizeof(T) == 1    ? '|'
      : zarr.big_endian ? '>'
                        : '<',
      dtype, zarr.codec == "none" ? "null" : fmt::format("{{\"id\":\"{}\"}}", zarr.codec), kFill,
      zarr.fortran ? 'F' : 'C', zarr.separator);
  Writer<T>::for_each(writer.counts(), [&](const Shape& at) {
    if (writer.is_stored(at)) files["s0/" + writer.key(at)] = writer.stored_chunk(at);
  });
  return files;
}

template <class T>
Files version_3(const Zarr& zarr, const std::string& type) {
  const Writer<T> writer(zarr);
  std::string codecs;
  const auto add = [&](const std::string& codec) { codecs += (codecs.empty() ? "" : ",") + codec; };
  if (zarr.fortran) {
    std::string order;
    for (size_t i = zarr.axes.size(); i-- > 0;)
      order += fmt::format("{}{}", order.empty() ? "" : ",", i);
    add(fmt::format(R"({{"name":"transpose","configuration":{{"order":[{}]}}}})", order));
  }
  add(fmt::format(R"({{"name":"bytes","configuration":{{"endian":"{}"}}}})",
                  zarr.big_endian ? "big" : "little"));
  if (zarr.codec != "none") add(fmt::format(R"({{"name":"{}","configuration":{{}}}})", zarr.codec));
  if (zarr.checksum) add(R"({"name":"crc32c"})");
  Shape chunk = zarr.chunk;
  if (zarr.sharded) {
    codecs = fmt::format(
        R"({{"name":"sharding_indexed","configuration":{{"chunk_shape":{},"codecs":[{}],)"
        R"("index_codecs":[{{"name":"bytes","configuration":{{"endian":"little"}}}},{{"name":"crc32c"}}],)"
        R"("index_location":"{}"}}}})",
        list(zarr, zarr.chunk), codecs, zarr.index_at_start ? "start" : "end");
    for (const char letter : zarr.axes)
      chunk.along(axis_of(letter)) *= zarr.shard.along(axis_of(letter));
  }
  Files files;
  files["zarr.json"] = fmt::format(
      R"({{"zarr_format":3,"node_type":"group","attributes":{{"ome":{{"version":"0.5",{}}}}}}})",
      multiscales(zarr));
  files["s0/zarr.json"] = fmt::format(
      R"({{"zarr_format":3,"node_type":"array","shape":{},"data_type":"{}","fill_value":{},)"
      R"("chunk_grid":{{"name":"regular","configuration":{{"chunk_shape":{}}}}},)"
      R"("chunk_key_encoding":{{"name":"default","configuration":{{"separator":"{}"}}}},"codecs":[{}]}})",
      list(zarr, zarr.shape), type, kFill, list(zarr, chunk), zarr.separator, codecs);
  const formats::Grid grid{zarr.shape, chunk};
  Writer<T>::for_each(grid.counts(), [&](const Shape& at) {
    const std::string path = fmt::format("s0/c{}{}", zarr.separator, writer.key(at));
    if (zarr.sharded) {
      files[path] = writer.shard(at);
    } else if (writer.is_stored(at)) {
      files[path] = writer.stored_chunk(at);
    }
  });
  return files;
}

template <class T>
Sample sample_of(const std::string& name, PixelType type, const Zarr& zarr, Files files) {
  Sample sample{name, type, zarr.shape, std::move(files), "", {}};
  if (zarr.leave_out == 0) return sample;
  const formats::Grid grid{zarr.shape, zarr.chunk};
  sample.expected = [zarr, grid](uint64_t t, uint64_t c, uint64_t z, uint64_t y, uint64_t x) {
    const Shape at{t / zarr.chunk.t, c / zarr.chunk.c, z / zarr.chunk.z, y / zarr.chunk.y,
                   x / zarr.chunk.x};
    return grid.index_of(at) % zarr.leave_out == 0
               ? double{kFill}
               : static_cast<double>(voxel_at<T>(t, c, z, y, x));
  };
  return sample;
}

}  // namespace

std::vector<Sample> zarr_samples() {
  std::vector<Sample> all;
  const auto both = [&](const std::string& name, PixelType type, const char* dtype, auto sample,
                        const Zarr& zarr) {
    using T = decltype(sample);
    if (!zarr.sharded && !zarr.checksum)
      all.push_back(sample_of<T>("Zarr2" + name, type, zarr, version_2<T>(zarr, dtype)));
    all.push_back(
        sample_of<T>("Zarr3" + name, type, zarr, version_3<T>(zarr, std::string(to_text(type)))));
  };
  both("Uint8", PixelType::uint8, "u1", uint8_t(), {});
  both("Int8", PixelType::int8, "i1", int8_t(), {});
  both("Uint16", PixelType::uint16, "u2", uint16_t(), {});
  both("Int16", PixelType::int16, "i2", int16_t(), {});
  both("Uint32", PixelType::uint32, "u4", uint32_t(), {});
  both("Int32", PixelType::int32, "i4", int32_t(), {});
  both("Uint64", PixelType::uint64, "u8", uint64_t(), {});
  both("Int64", PixelType::int64, "i8", int64_t(), {});
  both("Float32", PixelType::float32, "f4", float(), {});
  both("Float64", PixelType::float64, "f8", double(), {});
  for (const char* codec : {"zlib", "gzip", "zstd", "lz4", "blosc"}) {
    Zarr zarr;
    zarr.codec = codec;
    std::string name = codec;
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
    both(name, PixelType::uint16, "u2", uint16_t(), zarr);
  }
  Zarr zarr;
  zarr.big_endian = true;
  zarr.separator = '.';
  both("BigEndian", PixelType::float64, "f8", double(), zarr);
  zarr = {};
  zarr.fortran = true;
  zarr.codec = "zstd";
  both("Transposed", PixelType::uint16, "u2", uint16_t(), zarr);
  zarr = {};
  zarr.leave_out = 3;
  zarr.codec = "zstd";
  both("WithoutSomeChunks", PixelType::uint16, "u2", uint16_t(), zarr);
  zarr = {};
  zarr.axes = "yx";
  zarr.shape = {1, 1, 1, 40, 33};
  zarr.chunk = {1, 1, 1, 16, 16};
  both("Plane", PixelType::uint8, "u1", uint8_t(), zarr);
  zarr.axes = "xyc";  // any order of axes
  zarr.shape = {1, 3, 1, 40, 33};
  zarr.chunk = {1, 3, 1, 16, 16};
  both("ColoursLast", PixelType::uint8, "u1", uint8_t(), zarr);
  for (const bool at_start : {false, true}) {
    zarr = {};
    zarr.codec = "zstd";
    zarr.checksum = true;
    zarr.sharded = true;
    zarr.shard = {1, 1, 2, 2, 2};
    zarr.index_at_start = at_start;
    zarr.leave_out = 5;
    both(at_start ? "ShardsIndexFirst" : "Shards", PixelType::uint16, "u2", uint16_t(), zarr);
  }
  return all;
}

}  // namespace tierhub::test
