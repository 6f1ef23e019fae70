#include "compute/executors/measured.h"

#include <iterator>

namespace tierhub::compute {

void TaskReport::add(std::string_view output_line) {
  if (!output_line.starts_with(kPrefix)) return;
  if (lines.size() == kMaxLines) {
    ++left_out;
    return;
  }
  output_line.remove_prefix(kPrefix.size());
  std::string line(output_line.substr(0, kMaxLineBytes));
  if (line.size() < output_line.size()) {
    // Not in the middle of a character.
    const auto is_inside = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
    size_t end = line.size();
    while (end > 0 && is_inside(output_line[end])) --end;
    line.resize(end);
    line += "...";
  }
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  lines.push_back(std::move(line));
}

void Measured::add(TaskId task, const TaskReport& report) {
  left_out_ += report.left_out;
  for (size_t i = 0; i < report.lines.size(); ++i) {
    const std::string& line = report.lines[i];
    const Place place{task, i};
    const auto [known, is_new] = places_.try_emplace(line, place);
    if (!is_new) {
      if (known->second <= place) continue;
      lines_.erase(known->second);
      known->second = place;
    }
    lines_.emplace(place, line);
    if (lines_.size() <= kMaxLines) continue;
    const auto last = std::prev(lines_.end());
    places_.erase(last->second);
    lines_.erase(last);
    ++left_out_;
  }
}

std::vector<std::string> Measured::lines() const {
  std::vector<std::string> all;
  for (const auto& [place, line] : lines_) all.push_back(line);
  return all;
}

}  // namespace tierhub::compute
