#include "imaging/labels/label_block.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <fmt/format.h>

#include "common/posix.h"
#include "formats/json.h"

namespace tierhub::imaging {
namespace {

using formats::Axis;
using formats::Json;

constexpr formats::Shape kLabelChunk{1, 1, 32, 256, 256};
constexpr formats::Shape kLabelPlaneChunk{1, 1, 1, 1024, 1024};
constexpr const char* kObjectsFile = "objects.txt";
constexpr const char* kKeysFile = "keys.txt";

std::string keys_to_text(const std::vector<ObjectKey>& keys) {
  fmt::memory_buffer text;
  for (const ObjectKey& key : keys)
    fmt::format_to(std::back_inserter(text), "{} {}\n", key.object, key.piece);
  return fmt::to_string(text);
}

// "12 3\n" a label.
Result<std::vector<ObjectKey>> keys_from_text(std::string_view text, const std::string& path) {
  const Error damaged(std::errc::io_error, path + " is truncated or damaged");
  std::vector<ObjectKey> keys;
  while (!text.empty()) {
    const char* const end = text.data() + text.size();
    ObjectKey key;
    const auto object = std::from_chars(text.data(), end, key.object);
    if (object.ec != std::errc() || object.ptr == end || *object.ptr != ' ') return damaged;
    const auto piece = std::from_chars(object.ptr + 1, end, key.piece);
    if (piece.ec != std::errc() || piece.ptr == end || *piece.ptr != '\n') return damaged;
    keys.push_back(key);
    text.remove_prefix(static_cast<size_t>(piece.ptr + 1 - text.data()));
  }
  return keys;
}

// One for all blocks that are open: with one each, memory would grow with the volume.
std::shared_ptr<pixels::ChunkCache> cache_of_blocks() {
  static const auto cache =
      std::make_shared<pixels::ChunkCache>(pixels::PixelReader::Options().cache_bytes);
  return cache;
}

}  // namespace

LabelBlock LabelBlock::of(LabelRecord record, LabelVolume labels, BlockObjects objects) {
  LabelBlock block(std::move(record), std::move(objects), "labels in memory");
  block.labels_ = std::make_shared<const LabelVolume>(std::move(labels));
  return block;
}

Result<LabelBlock> LabelBlock::open(const std::string& path) {
  if (!is_label_folder(path)) {
    return Error(std::errc::invalid_argument, path + " is not a labels folder that imgop wrote");
  }
  TRY_ASSIGN(ImageReader reader, ImageReader::open(path, cache_of_blocks()));
  TRY_ASSIGN(const std::string text, posix::read_file(path + "/.zattrs"));
  TRY_ASSIGN(const Json attributes, formats::parse_json(text, path + "/.zattrs"));
  const Json* json = formats::find_member(attributes, "imgop");
  TRY_ASSIGN(LabelRecord record, record_from_json(json == nullptr ? Json() : *json, path));
  record.has_z = reader.info().has_axis(Axis::z);
  record.voxel_size = reader.info().levels.front().voxel_size;
  record.voxel_unit = reader.info().voxel_unit;
  if (reader.shape_at(0) != record.box.extent()) {
    return Error(std::errc::invalid_argument, path + " is damaged: its shape does not fit its box");
  }
  BlockObjects objects;
  TRY_ASSIGN(const std::string sums, posix::read_file(path + "/" + kObjectsFile));
  TRY_ASSIGN(objects.sums, objects_from_text(sums, path + "/" + kObjectsFile));
  std::error_code ignored;
  const bool has_empty = std::any_of(objects.sums.begin(), objects.sums.end(),
                                     [](const ObjectSums& object) { return object.voxels == 0; });
  if (has_empty && record.joining != Joining::numbers)
    return Error(std::errc::io_error, path + " is damaged: it has an empty object");
  if (record.joining == Joining::keys ||
      (record.joining == Joining::numbers &&
       std::filesystem::exists(path + "/" + kKeysFile, ignored))) {
    TRY_ASSIGN(const std::string keys, posix::read_file(path + "/" + kKeysFile));
    TRY_ASSIGN(objects.keys, keys_from_text(keys, path + "/" + kKeysFile));
    if (objects.keys.size() != objects.sums.size())
      return Error(std::errc::io_error, path + " is damaged: its objects do not fit their keys");
  }
  LabelBlock block(std::move(record), std::move(objects), path);
  block.reader_ = std::make_shared<const ImageReader>(std::move(reader));
  return block;
}

Result<LabelVolume> LabelBlock::read(const Box& box) const {
  if (labels_) return crop(*labels_, record_.box, box);
  TRY_ASSIGN(LabelVolume labels, reader_->read_labels(relative_to(box, record_.box)));
  for (const uint32_t label : labels.voxels) {
    if (label > objects_.sums.size()) {
      return Error(
          std::errc::io_error,
          fmt::format("{} is damaged: label {} is not in its list of objects", path_, label));
    }
  }
  return labels;
}

Result<void> LabelBlock::write(const std::string& path, Parallel parallel) const {
  TRY_ASSIGN(ImageWriter writer, create_label_folder(path, record_, objects_, {}));
  if (labels_) {
    TRY(writer.write_volume(0, *labels_, parallel));
  } else {
    TRY_ASSIGN(const LabelVolume labels, read(record_.box));
    TRY(writer.write_volume(0, labels, parallel));
  }
  return writer.commit();
}

Result<ImageWriter> create_label_folder(const std::string& path, const LabelRecord& record,
                                        const BlockObjects& objects, const Json& more) {
  const Extent size = record.box.extent();
  ImageLayout layout;
  layout.axes =
      record.has_z ? std::vector{Axis::z, Axis::y, Axis::x} : std::vector{Axis::y, Axis::x};
  layout.type = formats::PixelType::uint32;
  layout.shape = {1, 1, size.z, size.y, size.x};
  layout.chunk = label_chunk(record.box);
  layout.voxel_size = record.voxel_size;
  layout.voxel_unit = record.voxel_unit;
  layout.codec = pixels::BloscCodec::lz4;
  layout.origin = {record.box.z.begin, record.box.y.begin, record.box.x.begin};
  Json label = {{"version", "0.4"}};
  if (more.is_object()) label.update(more);
  layout.attributes = {{"image-label", std::move(label)}, {"imgop", to_json(record)}};
  TRY_ASSIGN(ImageWriter writer, ImageWriter::create(path, layout));
  TRY(writer.write_file(kObjectsFile, objects_to_text(objects.sums)));
  if (record.joining == Joining::keys || !objects.keys.empty())
    TRY(writer.write_file(kKeysFile, keys_to_text(objects.keys)));
  return writer;
}

formats::Shape label_chunk(const Box& box) {
  return box.z.size() == 1 ? kLabelPlaneChunk : kLabelChunk;
}

uint64_t label_chunk_bytes(const Box& box) {
  const formats::Shape chunk = label_chunk(box);
  const formats::Shape counts =
      formats::Grid{{1, 1, box.z.size(), box.y.size(), box.x.size()}, chunk}.counts();
  return counts.voxels() * chunk.voxels() * sizeof(uint32_t);
}

void write_labels(MemoryUse& memory, const Box& box) {
  memory.pack_chunks(label_bytes(box), label_chunk(box).voxels() * sizeof(uint32_t));
}

bool is_label_folder(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path + "/" + kObjectsFile, ignored);
}

}  // namespace tierhub::imaging
