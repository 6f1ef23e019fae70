#include "formats/slide_file.h"

#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "formats/slide_messages.h"

namespace tierhub::formats {
namespace {

constexpr uint64_t kMaxSlideSide = uint64_t{1} << 31;

Error impossible(const std::string& path) {
  return Error(std::errc::invalid_argument,
               path + " is damaged: OpenSlide answers what is impossible");
}

}  // namespace

void write_value(ByteWriter& out, const SlideInfo::Level& level) {
  out.u64(level.width).u64(level.height);
  write_value(out, level.downsample);
}

bool read_value(ByteReader& in, SlideInfo::Level& level) {
  level.width = in.u64();
  level.height = in.u64();
  return read_value(in, level.downsample) && level.width > 0 && level.width < kMaxSlideSide &&
         level.height > 0 && level.height < kMaxSlideSide && level.downsample >= 1 &&
         level.downsample < static_cast<double>(kMaxSlideSide);
}

void write_value(ByteWriter& out, const SlideInfo& info) {
  out.text(info.vendor).u32(info.background);
  write_value(out, info.levels);
  write_value(out, info.pixel_width);
  write_value(out, info.pixel_height);
}

bool read_value(ByteReader& in, SlideInfo& info) {
  info.vendor = in.text();
  info.background = in.u32();
  return read_value(in, info.levels) && read_value(in, info.pixel_width) &&
         read_value(in, info.pixel_height) && !info.levels.empty();
}

Result<std::shared_ptr<const SlideFile>> SlideFile::open(std::shared_ptr<const NotedTree> tree) {
  std::shared_ptr<SlideFile> file(new SlideFile());
  file->path_ = tree->path();
  TRY_ASSIGN(file->process_,
             IsolatedProcess::start(std::move(tree), 0, "OpenSlide", slide_answerer(file->path_)));
  ByteWriter question;
  question.u8(static_cast<uint8_t>(SlideQuestion::open));
  TRY_ASSIGN(const std::string bytes, file->process_->ask(question.bytes()));
  auto answer = answer_from<SlideInfo>(bytes);
  if (!answer) return impossible(file->path_);
  TRY_ASSIGN(file->info_, *std::move(answer));
  return std::shared_ptr<const SlideFile>(std::move(file));
}

Result<void> SlideFile::read(uint64_t level, uint64_t x, uint64_t y, uint64_t width,
                             uint64_t height, std::span<uint32_t> pixels) const {
  if (level >= info_.levels.size() || width > kMaxSlidePixels || height > kMaxSlidePixels ||
      width * height > kMaxSlidePixels || pixels.size() != width * height) {
    return Error(std::errc::invalid_argument,
                 fmt::format("{}: {} x {} pixels of level {} cannot be read at once", path_, width,
                             height, level));
  }
  ByteWriter question;
  question.u8(static_cast<uint8_t>(SlideQuestion::read));
  question.u64(level).u64(x).u64(y).u64(width).u64(height);
  TRY_ASSIGN(const std::string bytes, process_->ask(question.bytes()));
  auto answer = answer_from<std::string>(bytes);
  if (!answer) return impossible(path_);
  TRY_ASSIGN(const std::string colours, *std::move(answer));
  if (colours.size() != pixels.size_bytes()) return impossible(path_);
  std::memcpy(pixels.data(), colours.data(), colours.size());
  return {};
}

}  // namespace tierhub::formats
