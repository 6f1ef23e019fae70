#include "formats/hdf5_file.h"

#include <algorithm>

#include <fmt/format.h>

#include "formats/hdf5_messages.h"

namespace tierhub::formats {

Hdf5Dataset::Hdf5Dataset(const Hdf5File& file, std::string path, Hdf5Layout layout)
    : file_(file), path_(std::move(path)), layout_(std::move(layout)), coding_(coding_without(0)) {}

// Filter i is left out where bit i of `skipped` is set.
std::shared_ptr<const Coding> Hdf5Dataset::coding_without(uint32_t skipped) const {
  ArrayCoding coding = layout_.coding;
  for (size_t i = layout_.filters.size(); i-- > 0;) {
    if (i >= 32 || (skipped >> i & 1) == 0) coding.codecs.push_back(layout_.filters[i]);
  }
  return std::make_shared<const Coding>(std::move(coding));
}

Result<std::vector<Hdf5Dataset::Place>> Hdf5Dataset::places_of(
    const std::vector<std::vector<uint64_t>>& firsts) const {
  std::vector<Place> places;
  if (!layout_.chunked) {
    for (const auto& first : firsts) places.push_back(place_of_band(first));
    return places;
  }
  TRY_ASSIGN(const auto chunks,
             file_.ask<std::vector<std::optional<Hdf5Chunk>>>(Hdf5Question::chunks, path_, firsts));
  if (chunks.size() != firsts.size()) return file_.damaged("libhdf5 answers what is impossible");
  for (size_t i = 0; i < firsts.size(); ++i) {
    TRY_ASSIGN(Place place, place_of_chunk(firsts[i], chunks[i]));
    places.push_back(std::move(place));
  }
  return places;
}

Hdf5Dataset::Place Hdf5Dataset::place_of_band(const std::vector<uint64_t>& first) const {
  Place place{{}, coding_};
  if (!layout_.offset_bytes) return place;
  // A band begins at the start of a row.
  uint64_t at = 0, voxels = layout_.chunks.back();
  for (size_t i = 0; i < first.size(); ++i) at = at * layout_.sizes[i] + first[i];
  const size_t rows = first.size() - 2;
  voxels *= std::min(layout_.chunks[rows], layout_.sizes[rows] - first[rows]);
  const uint64_t number_bytes = layout_.coding.stored_bytes();
  place.bytes = {
      {file_.tree().file(), *layout_.offset_bytes + at * number_bytes, voxels * number_bytes}};
  return place;
}

Result<Hdf5Dataset::Place> Hdf5Dataset::place_of_chunk(
    const std::vector<uint64_t>& first, const std::optional<Hdf5Chunk>& chunk) const {
  Place place{{}, coding_};
  if (!chunk) return place;
  if (chunk->offset_bytes > file_.size_bytes() ||
      chunk->size_bytes > file_.size_bytes() - chunk->offset_bytes)
    return file_.damaged(fmt::format("a chunk of {} lies beyond its end", path_));
  uint32_t skipped = chunk->skipped_filters;
  bool beyond_the_edge = false;
  for (size_t i = 0; i < first.size(); ++i)
    beyond_the_edge = beyond_the_edge || layout_.chunks[i] > layout_.sizes[i] - first[i];
  if (layout_.whole_chunks_only && beyond_the_edge) skipped = UINT32_MAX;
  if (skipped != 0) place.coding = coding_without(skipped);
  place.bytes = {{file_.tree().file(), chunk->offset_bytes, chunk->size_bytes}};
  return place;
}

Result<std::unique_ptr<Hdf5File>> Hdf5File::open(std::shared_ptr<const NotedTree> tree) {
  std::unique_ptr<Hdf5File> file(new Hdf5File(std::move(tree)));
  TRY_ASSIGN(const auto size_bytes, file->tree_->size_of(file->tree_->file()));
  file->size_bytes_ = size_bytes.value_or(0);
  TRY_ASSIGN(file->process_,
             IsolatedProcess::start(file->tree_, file->size_bytes_, "libhdf5",
                                    hdf5_answerer(file->tree_->path(), file->size_bytes_)));
  TRY(file->ask<bool>(Hdf5Question::open));
  return file;
}

template <class Answer, class... Arguments>
Result<Answer> Hdf5File::ask(Hdf5Question question, const Arguments&... arguments) const {
  ByteWriter out;
  out.u8(static_cast<uint8_t>(question));
  (write_value(out, arguments), ...);
  const auto understood = [&]() -> Result<Answer> {
    TRY_ASSIGN(const std::string bytes, process_->ask(out.bytes()));
    auto answer = answer_from<Answer>(bytes);
    if (!answer) return damaged("libhdf5 answers what is impossible");
    return *std::move(answer);
  };
  Result<Answer> answer = understood();
  if (!answer) failure_.with([&](auto& failure) { failure = failure.value_or(answer.error()); });
  return answer;
}

Error Hdf5File::damaged(std::string_view why) const {
  return Error(std::errc::invalid_argument,
               fmt::format("{} is truncated or damaged: {}", tree_->path(), why));
}

bool Hdf5File::exists(const std::string& path) const {
  return ask<bool>(Hdf5Question::exists, path).value_or(false);
}

Result<std::vector<std::string>> Hdf5File::names_in(const std::string& group) const {
  return ask<std::vector<std::string>>(Hdf5Question::names_in, group);
}

Result<std::vector<std::string>> Hdf5File::arrays() const {
  return ask<std::vector<std::string>>(Hdf5Question::arrays);
}

Result<std::shared_ptr<const Hdf5Dataset>> Hdf5File::dataset(const std::string& path) const {
  TRY_ASSIGN(Hdf5Layout layout, ask<Hdf5Layout>(Hdf5Question::layout, path));
  return std::make_shared<const Hdf5Dataset>(*this, path, std::move(layout));
}

std::optional<std::string> Hdf5File::text(const std::string& path, const std::string& name) const {
  return ask<std::optional<std::string>>(Hdf5Question::text, path, name).value_or(std::nullopt);
}

std::vector<double> Hdf5File::numbers(const std::string& path, const std::string& name) const {
  return ask<std::vector<double>>(Hdf5Question::numbers, path, name)
      .value_or(std::vector<double>());
}

Result<void> Hdf5File::check() const {
  return failure_.with([](const auto& failure) -> Result<void> {
    if (failure) return *failure;
    return {};
  });
}

}  // namespace tierhub::formats
