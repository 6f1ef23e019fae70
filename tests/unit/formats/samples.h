// Small datasets for tests: a folder that goes away, OME-Zarr metadata, TIFF files written byte by
// byte.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <stdlib.h>

namespace tierhub::test {

// A new folder, in memory where the system has a place for it (tests make thousands of small
// files); removed with all it holds.
class ScratchFolder {
 public:
  ScratchFolder() {
    const std::filesystem::path memory = "/dev/shm";
    const bool use_memory = ::getenv("TMPDIR") == nullptr && ::access(memory.c_str(), W_OK) == 0;
    std::string pattern =
        (use_memory ? memory : std::filesystem::temp_directory_path()) / "tierhub-test-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }

  // Writes a file, and its folders.
  std::string write(std::string_view name, std::string_view bytes) const {
    const std::string path = *this / name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    // A new file each time: some file systems flush one that is truncated and written again.
    std::filesystem::remove(path);
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

 private:
  std::string path_;
};

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A little-endian or big-endian classic TIFF file: one strip a page, no compression.
class TiffBuilder {
 public:
  struct Entry {
    uint16_t tag;
    uint16_t type;                 // 2 text, 3 short, 4 long
    std::vector<uint32_t> values;  // one, or a list of shorts
    std::string text;
  };

  explicit TiffBuilder(bool big_endian = false) : big_endian_(big_endian) {
    bytes_ = big_endian ? "MM" : "II";
    put16(42);
    link_at_ = bytes_.size();
    put32(0);
  }

  // A grey page of 16 or 8 bits; `extra` entries replace those of the same tag,
  // which may come several times. Returns where its
  // directory is.
  uint32_t add_page(uint32_t width, uint32_t height, uint16_t bits,
                    const std::vector<Entry>& extra = {}) {
    const auto strip_at = static_cast<uint32_t>(bytes_.size());
    const uint32_t strip_bytes = width * height * bits / 8;
    bytes_.append(strip_bytes, '\x01');
    std::vector<Entry> entries = {
        {256, 4, {width}, {}}, {257, 4, {height}, {}}, {258, 3, {bits}, {}},
        {259, 3, {1}, {}},     {262, 3, {1}, {}},      {273, 4, {strip_at}, {}},
        {277, 3, {1}, {}},     {278, 4, {height}, {}}, {279, 4, {strip_bytes}, {}}};
    for (const Entry& entry : extra)
      std::erase_if(entries, [&](const Entry& old) { return old.tag == entry.tag; });
    for (const Entry& entry : extra) {
      entries.insert(std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& e) { return e.tag > entry.tag; }),
                     entry);
    }
    return add_directory(entries);
  }
  const std::string& bytes() const { return bytes_; }
  // Makes the last directory's link point to `offset`.
  void link_last_to(uint32_t offset) { set32(link_at_, offset); }

 private:
  uint32_t add_directory(const std::vector<Entry>& entries) {
    std::vector<uint32_t> values;
    for (const Entry& entry : entries) {
      values.push_back(entry.values.empty() ? 0 : entry.values[0]);
      if (entry.type != 2 && entry.values.size() < 2) continue;
      values.back() = static_cast<uint32_t>(bytes_.size());
      bytes_ += entry.text;
      for (const uint32_t value : entry.values) put16(static_cast<uint16_t>(value));
    }
    if (bytes_.size() % 2 != 0) bytes_ += '\0';
    const auto offset = static_cast<uint32_t>(bytes_.size());
    set32(link_at_, offset);
    put16(static_cast<uint16_t>(entries.size()));
    for (size_t i = 0; i < entries.size(); ++i) {
      put16(entries[i].tag);
      put16(entries[i].type);
      const bool is_list = entries[i].values.size() > 1;
      put32(static_cast<uint32_t>(entries[i].type == 2 ? entries[i].text.size()
                                                       : entries[i].values.size()));
      if (entries[i].type == 3 && !is_list) {
        put16(static_cast<uint16_t>(values[i]));
        put16(0);
      } else {
        put32(values[i]);
      }
    }
    link_at_ = bytes_.size();
    put32(0);
    return offset;
  }
  void put16(uint16_t v) {
    const char low = static_cast<char>(v & 255);
    const char high = static_cast<char>(v >> 8);
    bytes_ += big_endian_ ? high : low;
    bytes_ += big_endian_ ? low : high;
  }
  void put32(uint32_t v) {
    bytes_.append(4, '\0');
    set32(bytes_.size() - 4, v);
  }
  void set32(size_t at, uint32_t v) {
    for (size_t i = 0; i < 4; ++i)
      bytes_[at + i] = static_cast<char>(v >> (big_endian_ ? 24 - 8 * i : 8 * i));
  }

  bool big_endian_;
  std::string bytes_;
  size_t link_at_ = 0;
};

}  // namespace tierhub::test
