#include "formats/zarr_array.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "formats/crc32c.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxArrayMetadataBytes = 16u << 20;
constexpr uint64_t kMaxVoxels = uint64_t{1} << 56;
constexpr uint64_t kMaxChunksOfShard = uint64_t{1} << 22;
constexpr size_t kKnownIndices = 64;

const Json& member(const Json& object, std::string_view key) {
  static const Json kNothing;
  const Json* found = find_member(object, key);
  return found == nullptr ? kNothing : *found;
}

uint64_t number_at(std::string_view bytes) {
  uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// The bits of a floating-point fill value that JSON cannot write as a number.
std::optional<double> special_float(const std::string& text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Some writers quote it, or write 0.0 for an integer; what makes no sense is 0.
std::array<std::byte, 8> fill_bytes(const Json& value, PixelType type) {
  std::array<std::byte, 8> bytes{};
  with_type(type, [&](auto sample) {
    using T = decltype(sample);
    if (value.is_boolean()) sample = static_cast<T>(value.get<bool>());
    if (value.is_number_unsigned()) sample = static_cast<T>(value.get<uint64_t>());
    if (value.is_number_integer() && !value.is_number_unsigned())
      sample = static_cast<T>(value.get<int64_t>());
    std::optional<double> number;
    if (value.is_number_float()) number = value.get<double>();
    if (value.is_string()) number = special_float(value.get<std::string>());
    if (number && std::is_floating_point_v<T>) sample = static_cast<T>(*number);
    if (number && std::is_integral_v<T> && *number >= -9e18 && *number <= 1.8e19)
      sample = *number < 0 ? static_cast<T>(static_cast<int64_t>(*number))
                           : static_cast<T>(static_cast<uint64_t>(*number));
    std::memcpy(bytes.data(), &sample, sizeof sample);
  });
  if (value.is_string() && value.get<std::string>().starts_with("0x")) {
    const std::string text = value.get<std::string>();
    uint64_t bits = 0;
    const auto [end, failure] =
        std::from_chars(text.data() + 2, text.data() + text.size(), bits, 16);
    if (failure == std::errc()) std::memcpy(bytes.data(), &bits, bytes_of(type));
  }
  return bytes;
}

}  // namespace

class ZarrArrayParser {
 public:
  ZarrArrayParser(std::string name, std::string folder, const std::vector<Axis>& axes)
      : name_(std::move(name)) {
    array_->folder_ = std::move(folder);
    array_->axes_ = axes;
  }

  Result<std::unique_ptr<ZarrArray>> parse_v2(const Json& json) {
    if (get_unsigned(json, "zarr_format") != 2u) return damaged("zarr_format is not 2");
    const auto dtype = get_text(json, "dtype");
    const auto chunks = get_unsigned_list(json, "chunks");
    if (!dtype || !chunks) return damaged("shape, chunks or dtype is missing");
    TRY(set_dtype(*dtype));
    TRY(set_shape(json, *chunks));
    const std::string separator = get_text(json, "dimension_separator").value_or(".");
    TRY(set_separator(separator));
    array_->fill_value_ = fill_bytes(member(json, "fill_value"), coding_.type);
    set_v2_compressor(member(json, "compressor"));
    const Json& filters = member(json, "filters");
    if (!filters.is_null() && !(filters.is_array() && filters.empty()))
      refuse("Zarr filters are not supported");
    std::vector<size_t> order = identity();
    if (get_text(json, "order").value_or("C") == "F") std::reverse(order.begin(), order.end());
    return finish(order, *chunks);
  }

  Result<std::unique_ptr<ZarrArray>> parse_v3(const Json& json) {
    if (get_unsigned(json, "zarr_format") != 3u) return damaged("zarr_format is not 3");
    if (get_text(json, "node_type") != "array") return damaged("this is not an array");
    const Json& grid = member(json, "chunk_grid");
    if (get_text(grid, "name") != "regular") return damaged("the chunk grid is not regular");
    auto chunks = get_unsigned_list(member(grid, "configuration"), "chunk_shape");
    if (!chunks) return damaged("the chunk grid has no chunk_shape");
    TRY(set_data_type(member(json, "data_type")));
    TRY(set_shape(json, *chunks));
    TRY(set_key_encoding(member(json, "chunk_key_encoding")));
    array_->fill_value_ = fill_bytes(member(json, "fill_value"), coding_.type);
    std::vector<size_t> order = identity();
    TRY(set_codecs(member(json, "codecs"), order, *chunks));
    const Json& transformers = member(json, "storage_transformers");
    if (!transformers.is_null() && !transformers.empty())
      refuse("Zarr storage transformers are not supported");
    return finish(order, *chunks);
  }

 private:
  Error damaged(std::string_view why) const {
    return Error(std::errc::invalid_argument, fmt::format("{}: {}", name_, why));
  }
  void refuse(std::string why) {
    if (!array_->not_decodable_) array_->not_decodable_ = std::move(why);
  }
  size_t dimensions() const { return array_->axes_.size(); }
  std::vector<size_t> identity() const {
    std::vector<size_t> order(dimensions());
    std::iota(order.begin(), order.end(), size_t{0});
    return order;
  }
  Shape to_shape(const std::vector<uint64_t>& sizes) const {
    Shape shape;
    for (size_t i = 0; i < sizes.size(); ++i) shape.along(array_->axes_[i]) = sizes[i];
    return shape;
  }

  // "<u2": byte order, kind, bytes.
  Result<void> set_dtype(const std::string& dtype) {
    array_->type_name_ = dtype;
    if (dtype.size() != 3 || std::string_view("<>|").find(dtype[0]) == std::string_view::npos) {
      return Error(std::errc::not_supported,
                   fmt::format("{}: the pixel type \"{}\" is not supported", name_, dtype));
    }
    coding_.order = dtype[0] == '>' ? ByteOrder::big : ByteOrder::little;
    const std::string number = dtype.substr(1);
    if (number == "b1") return set_type("bool");
    const char* kind = number[0] == 'u' ? "uint" : number[0] == 'i' ? "int" : "float";
    if (number.find_first_of("uif") != 0) return set_type("");
    return set_type(fmt::format("{}{}", kind, (number[1] - '0') * 8));
  }

  Result<void> set_data_type(const Json& type) {
    array_->type_name_ =
        type.is_string() ? type.get<std::string>() : get_text(type, "name").value_or("");
    return set_type(array_->type_name_);
  }

  Result<void> set_type(const std::string& name) {
    if (const auto type = pixel_type_from(name)) {
      coding_.type = *type;
    } else if (name == "bool") {
      coding_.type = PixelType::uint8;
      coding_.number = ArrayCoding::Number::boolean;
    } else if (name == "float16") {
      coding_.type = PixelType::float32;
      coding_.number = ArrayCoding::Number::half_float;
    } else {
      coding_.type = PixelType::other;
      refuse(fmt::format("pixels of type {} are not supported", array_->type_name_));
      return {};
    }
    array_->type_name_ = to_text(coding_.type);
    return {};
  }

  Result<void> set_shape(const Json& json, const std::vector<uint64_t>& chunks) {
    const auto shape = get_unsigned_list(json, "shape");
    if (!shape) return damaged("shape, chunks or dtype is missing");
    if (shape->size() != dimensions() || chunks.size() != dimensions()) {
      return damaged(
          fmt::format("shape and chunks must have {} numbers, one for each axis", dimensions()));
    }
    if (!bounded_product(*shape, kMaxVoxels))
      return damaged("the shape is empty or impossibly large");
    if (!bounded_product(chunks, kMaxVoxels))
      return damaged("the chunks are empty or impossibly large");
    array_->grid_.shape = to_shape(*shape);
    array_->shard_ = to_shape(chunks);
    return {};
  }

  Result<void> set_separator(const std::string& separator) {
    if (separator != "." && separator != "/")
      return damaged("the separator of chunk keys must be \".\" or \"/\"");
    array_->separator_ = separator[0];
    return {};
  }

  Result<void> set_key_encoding(const Json& encoding) {
    const std::string name = get_text(encoding, "name").value_or("default");
    if (name != "default" && name != "v2")
      return damaged(fmt::format("the chunk key encoding {} is not supported", name));
    const auto separator = get_text(member(encoding, "configuration"), "separator");
    TRY(set_separator(separator.value_or(name == "v2" ? "." : "/")));
    if (name == "default") array_->key_prefix_ = std::string("c") + array_->separator_;
    return {};
  }

  void add_codec(const std::string& id, const std::string& name) {
    array_->compressor_ += (array_->compressor_.empty() ? "" : "+") + name;
    using enum Codec::Kind;
    if (id == "zlib" || id == "gzip") {
      coding_.codecs.push_back({zlib, 1});
    } else if (id == "zstd") {
      coding_.codecs.push_back({zstd, 1});
    } else if (id == "blosc") {
      coding_.codecs.push_back({blosc, 1});
    } else if (id == "lz4") {
      coding_.codecs.push_back({lz4, 1});
    } else {
      refuse(fmt::format(
          "the compressor {}: only none, zlib, gzip, zstd, lz4 and blosc are supported", name));
    }
  }

  void set_v2_compressor(const Json& compressor) {
    if (compressor.is_null()) return;
    const std::string id = get_text(compressor, "id").value_or("unnamed");
    add_codec(id, id == "blosc" ? "blosc-" + get_text(compressor, "cname").value_or("lz4") : id);
  }

  // A list of codecs in the order of writing. `order` becomes how the axes are stored, `chunks` the
  // size of what is decoded alone.
  Result<void> set_codecs(const Json& list, std::vector<size_t>& order,
                          std::vector<uint64_t>& chunks) {
    if (!list.is_array() || list.size() > 32) return damaged("there is no list of codecs");
    for (const Json& codec : list) {
      std::string name =
          codec.is_string() ? codec.get<std::string>() : get_text(codec, "name").value_or("");
      if (name.starts_with("numcodecs.")) name = name.substr(10);
      const Json& settings = member(codec, "configuration");
      if (name == "bytes" || name == "endian") {
        coding_.order = get_text(settings, "endian").value_or("little") == "big"
                            ? ByteOrder::big
                            : ByteOrder::little;
      } else if (name == "transpose") {
        TRY(transpose(settings, order));
      } else if (name == "sharding_indexed") {
        return set_shards(settings, order, chunks);
      } else if (name == "crc32c") {
        coding_.codecs.insert(coding_.codecs.begin(), {Codec::Kind::crc32c, 1});
      } else {
        const size_t before = coding_.codecs.size();
        add_codec(name,
                  name == "blosc" ? "blosc-" + get_text(settings, "cname").value_or("lz4") : name);
        if (coding_.codecs.size() > before)
          std::rotate(coding_.codecs.begin(), coding_.codecs.end() - 1, coding_.codecs.end());
      }
    }
    return {};
  }

  Result<void> transpose(const Json& settings, std::vector<size_t>& order) {
    const auto list = get_unsigned_list(settings, "order");
    if (!list || list->size() != dimensions())
      return damaged("a transpose codec without its order");
    std::vector<size_t> sorted(list->begin(), list->end());
    std::sort(sorted.begin(), sorted.end());
    if (sorted != identity()) return damaged("the order of a transpose codec is no permutation");
    std::vector<size_t> next(dimensions());
    for (size_t i = 0; i < next.size(); ++i) next[i] = order[(*list)[i]];
    order = next;
    return {};
  }

  Result<void> set_shards(const Json& settings, std::vector<size_t>& order,
                          std::vector<uint64_t>& chunks) {
    if (array_->sharded_) return damaged("shards inside shards are not supported");
    if (order != identity() || !coding_.codecs.empty())
      return damaged("shards behind another codec are not supported");
    array_->sharded_ = true;
    const auto inner = get_unsigned_list(settings, "chunk_shape");
    if (!inner || inner->size() != dimensions())
      return damaged("the chunks of shards have no shape");
    uint64_t count = 1;
    for (size_t i = 0; i < inner->size(); ++i) {
      if ((*inner)[i] == 0 || chunks[i] % (*inner)[i] != 0)
        return damaged("the chunks do not divide their shard");
      count *= chunks[i] / (*inner)[i];
      if (count > kMaxChunksOfShard) return damaged("a shard has too many chunks");
    }
    chunks = *inner;
    const std::string location = get_text(settings, "index_location").value_or("end");
    if (location != "end" && location != "start") return damaged("index_location is unknown");
    array_->index_at_start_ = location == "start";
    for (const Json& codec : member(settings, "index_codecs")) {
      const std::string name = get_text(codec, "name").value_or("");
      const std::string endian =
          get_text(member(codec, "configuration"), "endian").value_or("little");
      if (name == "crc32c") {
        array_->index_has_checksum_ = true;
      } else if (name != "bytes" || endian != "little") {
        refuse(fmt::format("the index of the shards is written as {} {}, which is not supported",
                           name, endian));
      }
    }
    return set_codecs(member(settings, "codecs"), order, chunks);
  }

  Result<std::unique_ptr<ZarrArray>> finish(const std::vector<size_t>& order,
                                            const std::vector<uint64_t>& chunks) {
    if (!bounded_product(chunks, Image::kMaxChunkBytes / coding_.stored_bytes()))
      return damaged("the chunks are empty or larger than 1 GiB");
    array_->grid_.chunk = to_shape(chunks);
    uint64_t stride = 1;
    for (size_t i = order.size(); i-- > 0;) {
      const Axis axis = array_->axes_[order[i]];
      array_->stride_.along(axis) = stride;
      stride *= array_->grid_.chunk.along(axis);
    }
    if (array_->compressor_.empty()) array_->compressor_ = "none";
    array_->coding_type_ = coding_.type;
    array_->coding_ = std::make_shared<const Coding>(coding_);
    return std::move(array_);
  }

  std::string name_;
  ArrayCoding coding_;
  std::unique_ptr<ZarrArray> array_ = std::make_unique<ZarrArray>();
};

Result<std::unique_ptr<ZarrArray>> ZarrArray::open(const FileTree& tree, const std::string& folder,
                                                   const std::vector<Axis>& axes) {
  const std::string prefix = folder.empty() ? "" : folder + "/";
  for (const char* file : {"zarr.json", ".zarray"}) {
    TRY_ASSIGN(const auto text, tree.read_small(prefix + file, kMaxArrayMetadataBytes));
    if (!text) continue;
    const std::string name = fmt::format("{}/{}{}", tree.path(), prefix, file);
    TRY_ASSIGN(const Json json, parse_json(*text, name));
    ZarrArrayParser parser(name, folder, axes);
    return file[0] == '.' ? parser.parse_v2(json) : parser.parse_v3(json);
  }
  return Error(std::errc::invalid_argument,
               fmt::format("{}/{}.zarray: this resolution level is missing", tree.path(), prefix));
}

Level ZarrArray::level() const {
  Level level;
  level.shape = grid_.shape;
  level.chunk = grid_.chunk;
  level.path = folder_;
  level.compressor = compressor_;
  level.fill_value = fill_value_;
  return level;
}

std::string ZarrArray::key_of(const Shape& at) const {
  std::string key = (folder_.empty() ? "" : folder_ + "/") + key_prefix_;
  for (size_t i = 0; i < axes_.size(); ++i) {
    if (i > 0) key += separator_;
    key += fmt::format("{}", at.along(axes_[i]));
  }
  return key;
}

Result<std::shared_ptr<const ZarrArray::ShardIndex>> ZarrArray::shard_index(
    const FileTree& tree, const std::string& path) const {
  FileStamp stamp;
  if (tree.follows_changes()) {
    TRY_ASSIGN(const auto stamps, tree.stamps_of({path}));
    stamp = stamps.front();
    // What may be changing is read again each time.
    if (!stamp.is_settled) return read_shard_index(tree, path);
  }
  auto known = indices_.with([&](auto& indices) -> std::shared_ptr<const ShardIndex> {
    for (auto it = indices.begin(); it != indices.end(); ++it) {
      if (it->path != path || it->stamp != stamp) continue;
      indices.splice(indices.begin(), indices, it);
      return it->index;
    }
    return nullptr;
  });
  if (known) return known;
  TRY_ASSIGN(auto index, read_shard_index(tree, path));
  indices_.with([&](auto& indices) {
    indices.remove_if([&](const KnownIndex& one) { return one.path == path; });
    indices.push_front({path, stamp, index});
    if (indices.size() > kKnownIndices) indices.pop_back();
  });
  return index;
}

// Empty if the shard is not stored.
Result<std::shared_ptr<const ZarrArray::ShardIndex>> ZarrArray::read_shard_index(
    const FileTree& tree, const std::string& path) const {
  auto index = std::make_shared<ShardIndex>();
  TRY_ASSIGN(const auto file_bytes, tree.size_of(path));
  if (!file_bytes) return index;
  const uint64_t chunks = shard_.voxels() / grid_.chunk.voxels();
  const uint64_t entries_bytes = chunks * 16;
  const uint64_t index_bytes = entries_bytes + (index_has_checksum_ ? 4 : 0);
  const auto damaged = [&](std::string_view why) {
    return Error(
        std::errc::invalid_argument,
        fmt::format("{}/{}: the shard is truncated or damaged ({})", tree.path(), path, why));
  };
  if (*file_bytes < index_bytes) return damaged("it is shorter than its index");
  std::string bytes(index_bytes, '\0');
  const uint64_t offset = index_at_start_ ? 0 : *file_bytes - index_bytes;
  TRY_ASSIGN(const size_t got,
             tree.read_at(path, std::as_writable_bytes(std::span(bytes)), offset));
  if (got != index_bytes) return damaged("it is shorter than its index");
  if (index_has_checksum_) {
    uint32_t checksum = 0;
    std::memcpy(&checksum, bytes.data() + entries_bytes, sizeof checksum);
    if (checksum != crc32c(std::as_bytes(std::span(bytes)).first(entries_bytes)))
      return damaged("the checksum of its index is wrong");
  }
  index->reserve(chunks);
  for (uint64_t i = 0; i < chunks; ++i) {
    const std::string_view entry = std::string_view(bytes).substr(i * 16, 16);
    const uint64_t begin = number_at(entry), size = number_at(entry.substr(8));
    const bool absent = begin == UINT64_MAX && size == UINT64_MAX;
    if (!absent && (begin > *file_bytes || size > *file_bytes - begin))
      return damaged("a chunk lies beyond its end");
    index->emplace_back(begin, size);
  }
  return index;
}

Result<std::vector<FileRange>> ZarrArray::place_of(const FileTree& tree, const Shape& at) const {
  if (!sharded_) return std::vector<FileRange>{{key_of(at), 0, FileRange::kToEnd}};
  const Grid inside{shard_, grid_.chunk};
  const Shape per_shard = inside.counts();
  Shape shard, own;
  for (const Axis axis : axes_) {
    shard.along(axis) = at.along(axis) / per_shard.along(axis);
    own.along(axis) = at.along(axis) % per_shard.along(axis);
  }
  const std::string path = key_of(shard);
  TRY_ASSIGN(const auto index, shard_index(tree, path));
  if (index->empty()) return std::vector<FileRange>();
  // The index has the order of the array's own axes.
  uint64_t entry = 0;
  for (const Axis axis : axes_) entry = entry * per_shard.along(axis) + own.along(axis);
  const auto& [begin, size] = (*index)[entry];
  if (begin == UINT64_MAX) return std::vector<FileRange>();
  return std::vector<FileRange>{{path, begin, size}};
}

Result<void> ZarrArray::for_each_file(const Region& region, const Image::UseFile& use) const {
  const Grid files{grid_.shape, sharded_ ? shard_ : grid_.chunk};
  return files.for_each(region, [&](const Shape& at) { return use(key_of(at)); });
}

Result<void> ZarrArray::for_each_chunk(const FileTree& tree, const Region& region,
                                       const Image::UseChunk& use) const {
  return grid_.for_each(region, [&](const Shape& at) -> Result<void> {
    Chunk chunk;
    chunk.region = grid_.region_of(region.level, at);
    TRY_ASSIGN(chunk.bytes, place_of(tree, at));
    chunk.index = grid_.index_of(at);
    chunk.stored = grid_.chunk;
    chunk.stride = stride_;
    chunk.coding = coding_;
    return use(chunk);
  });
}

}  // namespace tierhub::formats
