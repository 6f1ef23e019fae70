#include "formats/hdf5_parser_dataset.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "formats/image.h"
#include "formats/raw_planes.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxVoxels = uint64_t{1} << 56;
// Registered numbers: https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md
constexpr H5Z_filter_t kBlosc = 32001, kLz4 = 32004, kZstd = 32015;

std::optional<PixelType> integer_type(hid_t type) {
  const size_t bytes = H5Tget_size(type);
  if (H5Tget_precision(type) != 8 * bytes || H5Tget_offset(type) != 0) return std::nullopt;
  return pixel_type_from(
      fmt::format("{}{}", H5Tget_sign(type) == H5T_SGN_NONE ? "uint" : "int", 8 * bytes));
}

// True for the formats of IEEE 754 with 2, 4 and 8 bytes.
bool is_ieee_float(hid_t type) {
  struct Fields {
    size_t sign, exponent, exponent_bits, mantissa, mantissa_bits;
    bool operator==(const Fields&) const = default;
  } fields{};
  const size_t bytes = H5Tget_size(type);
  if (H5Tget_fields(type, &fields.sign, &fields.exponent, &fields.exponent_bits, &fields.mantissa,
                    &fields.mantissa_bits) < 0)
    return false;
  if (H5Tget_norm(type) != H5T_NORM_IMPLIED || H5Tget_offset(type) != 0) return false;
  const size_t bias = H5Tget_ebias(type);
  if (bytes == 2) return fields == Fields{15, 10, 5, 0, 10} && bias == 15;
  if (bytes == 4) return fields == Fields{31, 23, 8, 0, 23} && bias == 127;
  return bytes == 8 && fields == Fields{63, 52, 11, 0, 52} && bias == 1023;
}

// As the library gives such numbers in memory.
hid_t native_type(const ArrayCoding& coding, hid_t stored) {
  if (coding.number == ArrayCoding::Number::boolean) return stored;
  switch (coding.type) {
    case PixelType::uint8:
      return H5T_NATIVE_UINT8;
    case PixelType::int8:
      return H5T_NATIVE_INT8;
    case PixelType::uint16:
      return H5T_NATIVE_UINT16;
    case PixelType::int16:
      return H5T_NATIVE_INT16;
    case PixelType::uint32:
      return H5T_NATIVE_UINT32;
    case PixelType::int32:
      return H5T_NATIVE_INT32;
    case PixelType::uint64:
      return H5T_NATIVE_UINT64;
    case PixelType::int64:
      return H5T_NATIVE_INT64;
    case PixelType::float32:
      return H5T_NATIVE_FLOAT;
    case PixelType::float64:
      return H5T_NATIVE_DOUBLE;
    case PixelType::other:
      return stored;
  }
  return stored;
}

}  // namespace

Result<std::unique_ptr<const Hdf5Parser::Dataset>> Hdf5Parser::Dataset::open(
    hid_t file, Hdf5Source& source, const std::string& path) {
  std::unique_ptr<Dataset> dataset(new Dataset(source, path));
  TRY(dataset->read(file));
  return std::unique_ptr<const Dataset>(std::move(dataset));
}

Error Hdf5Parser::Dataset::damaged(std::string_view why) const {
  return Error(std::errc::invalid_argument,
               fmt::format("{} is truncated or damaged: {}: {}", source_.path, path_, why));
}

void Hdf5Parser::Dataset::refuse(std::string why) {
  if (!layout_.not_decodable) layout_.not_decodable = std::move(why);
}

Result<void> Hdf5Parser::Dataset::read(hid_t file) {
  id_ = Hdf5Id(H5Dopen2(file, path_.c_str(), H5P_DEFAULT), H5Dclose);
  if (!id_) return damaged("it cannot be opened");
  type_ = Hdf5Id(H5Dget_type(id_.get()), H5Tclose);
  const Hdf5Id creation(H5Dget_create_plist(id_.get()), H5Pclose);
  if (!type_ || !creation) return damaged("it cannot be read");
  // To get the size of such a dataset, the library would open other files.
  if (H5Pget_layout(creation.get()) == H5D_VIRTUAL) {
    return Error(
        std::errc::not_supported,
        fmt::format("{}: the dataset {} is virtual, which is not supported: its voxels are "
                    "in other datasets",
                    source_.path, path_));
  }
  TRY(read_sizes());
  read_type();
  TRY(read_storage(creation.get()));
  read_filters(creation.get());
  read_fill_value(creation.get());
  return {};
}

Result<void> Hdf5Parser::Dataset::read_sizes() {
  const Hdf5Id space(H5Dget_space(id_.get()), H5Sclose);
  std::array<hsize_t, H5S_MAX_RANK> sizes{};
  const int count = space ? H5Sget_simple_extent_ndims(space.get()) : -1;
  if (count < 0 || count > H5S_MAX_RANK ||
      H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr) < 0)
    return damaged("it has no size");
  layout_.sizes.assign(sizes.begin(), sizes.begin() + count);
  if (count < 2) return damaged("an image has at least two axes");
  if (!bounded_product(layout_.sizes, kMaxVoxels))
    return damaged("its size is empty or impossibly large");
  return {};
}

void Hdf5Parser::Dataset::read_type() {
  ArrayCoding& coding = layout_.coding;
  hid_t type = type_.get();
  coding.order = H5Tget_order(type) == H5T_ORDER_BE ? ByteOrder::big : ByteOrder::little;
  std::optional<PixelType> known;
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      known = integer_type(type);
      break;
    case H5T_FLOAT:
      if (!is_ieee_float(type)) break;
      known = H5Tget_size(type) == 8 ? PixelType::float64 : PixelType::float32;
      if (H5Tget_size(type) == 2) coding.number = ArrayCoding::Number::half_float;
      break;
    case H5T_ENUM: {
      // h5py writes truth values so.
      const Hdf5Id base(H5Tget_super(type), H5Tclose);
      if (!base || integer_type(base.get()) != PixelType::int8) break;
      known = PixelType::uint8;
      coding.number = ArrayCoding::Number::boolean;
      break;
    }
    default:
      break;
  }
  coding.type = known.value_or(PixelType::other);
  layout_.type_name = known ? std::string(to_text(*known))
                            : fmt::format("HDF5 class {} of {} bytes",
                                          static_cast<int>(H5Tget_class(type)), H5Tget_size(type));
  if (!known) refuse(fmt::format("pixels of type {} are not supported", layout_.type_name));
}

Result<void> Hdf5Parser::Dataset::read_storage(hid_t creation) {
  const uint64_t number_bytes = layout_.coding.stored_bytes();
  const size_t axes = layout_.sizes.size();
  layout_.chunks.assign(axes, 1);
  if (H5Pget_external_count(creation) > 0) {
    return Error(std::errc::not_supported,
                 fmt::format("{}: the voxels of the dataset {} are in other files, which is not "
                             "supported",
                             source_.path, path_));
  }
  switch (H5Pget_layout(creation)) {
    case H5D_CHUNKED: {
      std::array<hsize_t, H5S_MAX_RANK> chunks{};
      if (H5Pget_chunk(creation, H5S_MAX_RANK, chunks.data()) != static_cast<int>(axes))
        return damaged("its chunks have another number of axes");
      layout_.chunks.assign(chunks.begin(), chunks.begin() + static_cast<ptrdiff_t>(axes));
      layout_.chunked = true;
      unsigned options = 0;
      layout_.whole_chunks_only = H5Pget_chunk_opts(creation, &options) >= 0 &&
                                  (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0;
      break;
    }
    case H5D_CONTIGUOUS: {
      const uint64_t row_bytes = layout_.sizes.back() * number_bytes;
      layout_.chunks.back() = layout_.sizes.back();
      layout_.chunks[axes - 2] = rows_at_once(row_bytes, layout_.sizes[axes - 2]);
      const haddr_t offset = H5Dget_offset(id_.get());
      const uint64_t size_bytes = *bounded_product(layout_.sizes, kMaxVoxels) * number_bytes;
      if (offset == HADDR_UNDEF) break;
      if (offset > source_.size_bytes || size_bytes > source_.size_bytes - offset)
        return damaged("its voxels lie beyond the end of the file");
      layout_.offset_bytes = offset;
      break;
    }
    default:
      layout_.chunks = layout_.sizes;
      refuse("its voxels are stored in the header (HDF5's compact layout)");
  }
  if (!bounded_product(layout_.chunks, Image::kMaxChunkBytes / number_bytes))
    return damaged("its chunks are empty or larger than 1 GiB");
  return {};
}

void Hdf5Parser::Dataset::read_filters(hid_t creation) {
  const int count = H5Pget_nfilters(creation);
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0;
    std::array<unsigned, 32> values{};
    size_t value_count = values.size();
    std::array<char, 64> name{};
    const H5Z_filter_t number =
        H5Pget_filter2(creation, static_cast<unsigned>(i), &flags, &value_count, values.data(),
                       name.size(), name.data(), nullptr);
    const auto add = [&](Codec::Kind kind, std::string_view text, uint64_t item_bytes = 1) {
      layout_.filters.push_back({kind, item_bytes});
      layout_.compressor += fmt::format("{}{}", layout_.compressor.empty() ? "" : "+", text);
    };
    switch (number) {
      case H5Z_FILTER_DEFLATE:
        add(Codec::Kind::zlib, "deflate");
        break;
      case H5Z_FILTER_SHUFFLE:
        add(Codec::Kind::shuffle, "shuffle",
            value_count > 0 && values[0] > 0 ? values[0] : layout_.coding.stored_bytes());
        break;
      case H5Z_FILTER_FLETCHER32:
        add(Codec::Kind::fletcher32, "fletcher32");
        break;
      case kBlosc:
        add(Codec::Kind::blosc, "blosc");
        break;
      case kLz4:
        add(Codec::Kind::lz4_hdf5, "lz4");
        break;
      case kZstd:
        add(Codec::Kind::zstd, "zstd");
        break;
      default:
        add(Codec::Kind::zlib, fmt::format("filter {}", number));
        refuse(
            fmt::format("HDF5 filter {} ({}): only deflate, shuffle, fletcher32, lz4, zstd and "
                        "blosc are supported",
                        number, name.data()));
    }
  }
  if (layout_.filters.empty()) layout_.compressor = "none";
}

// What cannot be read is 0, as where nothing is defined.
void Hdf5Parser::Dataset::read_fill_value(hid_t creation) {
  if (layout_.coding.type == PixelType::other) return;
  H5D_fill_value_t defined = H5D_FILL_VALUE_UNDEFINED;
  if (H5Pfill_value_defined(creation, &defined) < 0 || defined != H5D_FILL_VALUE_USER_DEFINED)
    return;
  std::array<std::byte, 8> value{};
  if (H5Pget_fill_value(creation, native_type(layout_.coding, type_.get()), value.data()) >= 0)
    layout_.fill_value = value;
}

// H5Dget_chunk_info_by_coord() goes through all chunks up to the one that is asked for. Reading a
// chunk finds it in the index: the driver keeps the place and does not read.
Result<std::optional<Hdf5Chunk>> Hdf5Parser::Dataset::chunk_at(
    const std::vector<uint64_t>& first) const {
  if (!layout_.chunked || first.size() != layout_.sizes.size()) return std::nullopt;
  const std::vector<hsize_t> at(first.begin(), first.end());
  hsize_t size_bytes = 0;
  if (H5Dget_chunk_storage_size(id_.get(), at.data(), &size_bytes) < 0) {
    // The call fails for a chunk that is not stored, too: then no call inside it has failed.
    constexpr ssize_t kErrorsOfOneCall = 2;
    if (H5Eget_num(H5E_DEFAULT) == kErrorsOfOneCall) return std::nullopt;
    return damaged("the index of its chunks cannot be read");
  }
  if (size_bytes == 0) return std::nullopt;
  if (size_bytes > 2 * Image::kMaxChunkBytes)
    return damaged(fmt::format("a chunk has {} bytes", size_bytes));
  // Nothing is written to it.
  const auto unused = std::make_unique_for_overwrite<std::byte[]>(size_bytes);
  uint32_t skipped = 0;
  source_.place.reset();
  source_.only_place = true;
  const herr_t status = H5Dread_chunk(id_.get(), H5P_DEFAULT, at.data(), &skipped, unused.get());
  source_.only_place = false;
  if (status < 0 || !source_.place || source_.place->second != size_bytes)
    return damaged("a chunk lies beyond the end of the file");
  return Hdf5Chunk{source_.place->first, source_.place->second, skipped};
}

}  // namespace tierhub::formats
