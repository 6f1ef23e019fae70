// Numbers, times and names as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"

namespace tierhub::tierctl {

// "0 B", "512 B", "1.0 KiB", "3.6 TiB".
std::string human_size(uint64_t bytes);
// "850.0 MiB/s"
std::string human_rate(double bytes_per_s);
// "0 s", "2.8 s", "42 s", "3 min 20 s", "5 h 12 min", "9 d 4 h"
std::string human_duration(double seconds);
// "1 file", "2 files"; thousands are grouped: "12,345 files".
std::string human_count(uint64_t count, std::string_view noun);
std::string human_number(uint64_t count);
// "2026-01-02 03:04:05" in the time zone of this machine.
std::string human_time(Timestamp time);
// "42%": 100 only if all is done, 0 only if nothing is.
std::string human_percent(uint64_t part, uint64_t whole);
// A name that cannot steer a terminal: control characters become "?".
std::string printable(std::string_view name);
// The user's name; the number if there is none.
std::string user_name(uint32_t uid);

// Columns, padded with blanks to the widest cell; no line ends in blanks.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  // With the titles as its first line.
  std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace tierhub::tierctl
