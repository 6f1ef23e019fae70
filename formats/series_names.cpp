#include "formats/series_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include <fmt/format.h>

namespace tierhub::formats {
namespace {

using namespace std::string_view_literals;

// "a_t001_z02.tif" is the texts "a_t", "_z" and ".tif" around the numbers "001" and "02".
struct NumberedName {
  std::vector<std::string> texts;  // one more than numbers
  std::vector<std::string> numbers;
  std::vector<Axis> axes;          // of the numbers
  std::vector<std::string> words;  // "t", "z", as they are written
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_separator(char c) { return c == '_' || c == '-' || c == '.' || c == ' '; }

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::optional<Axis> axis_of_word(std::string_view word) {
  const std::string lower = lower_case(word);
  if (lower == "t" || lower == "time" || lower == "frame") return Axis::t;
  if (lower == "c" || lower == "ch" || lower == "channel" || lower == "w") return Axis::c;
  if (lower == "z" || lower == "slice") return Axis::z;
  return std::nullopt;
}

// Longer numbers are dates and identifiers.
constexpr size_t kMaxDigits = 9;

// Adds a part of a name between separators: "t001z02" has two axes. A part that is anything else,
// too, is text.
void add_part(std::string_view part, NumberedName& name) {
  NumberedName found;
  size_t at = 0;
  while (at < part.size()) {
    const auto digit =
        std::find_if(part.begin() + static_cast<ptrdiff_t>(at), part.end(), is_digit);
    const auto digits = static_cast<size_t>(digit - part.begin());
    size_t end = digits;
    while (end < part.size() && is_digit(part[end])) ++end;
    const std::string_view word = part.substr(at, digits - at);
    const auto axis = axis_of_word(word);
    if (!axis || end == digits || end - digits > kMaxDigits) {
      name.texts.back() += part;
      return;
    }
    found.texts.emplace_back(word);
    found.words.emplace_back(word);
    found.numbers.emplace_back(part.substr(digits, end - digits));
    found.axes.push_back(*axis);
    at = end;
  }
  for (size_t i = 0; i < found.numbers.size(); ++i) {
    name.texts.back() += found.texts[i];
    name.texts.emplace_back();
    name.numbers.push_back(std::move(found.numbers[i]));
    name.axes.push_back(found.axes[i]);
    name.words.push_back(std::move(found.words[i]));
  }
}

// The number of an axis that is written out: the "3" of "Channel_3". A letter alone may be anything.
std::optional<Axis> axis_of_number(std::string_view word_before, std::string_view part) {
  if (word_before.size() < 2 || part.size() > kMaxDigits ||
      !std::all_of(part.begin(), part.end(), is_digit))
    return std::nullopt;
  return axis_of_word(word_before);
}

// Without numbers if it names no axis.
NumberedName split_name(std::string_view name) {
  NumberedName split;
  split.texts.emplace_back();
  size_t begin = 0;
  std::string_view before;
  for (size_t i = 0; i <= name.size(); ++i) {
    if (i < name.size() && !is_separator(name[i])) continue;
    const std::string_view part = name.substr(begin, i - begin);
    if (const auto axis = part.empty() ? std::nullopt : axis_of_number(before, part)) {
      split.texts.emplace_back();
      split.numbers.emplace_back(part);
      split.axes.push_back(*axis);
      split.words.emplace_back(before);
    } else {
      add_part(part, split);
    }
    before = part;
    if (i < name.size()) split.texts.back() += name[i];
    begin = i + 1;
  }
  return split;
}

uint64_t value_of(std::string_view digits) {
  uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

// All names that have the same texts.
class NumberedNames {
 public:
  explicit NumberedNames(NumberedName first) : first_(std::move(first)) {}

  void add(const std::string& name, const std::vector<std::string>& numbers) {
    Entry entry{name, numbers, {}};
    for (const std::string& number : numbers) entry.values.push_back(value_of(number));
    entries_.push_back(std::move(entry));
  }
  const auto& entries() const { return entries_; }

  // Nothing if the numbers do not say where each file belongs.
  std::optional<SeriesFiles> series() {
    if (entries_.size() < 2 || !find_ranges()) return std::nullopt;
    const auto by_place = [&](const Entry& a, const Entry& b) { return place(a) < place(b); };
    std::sort(entries_.begin(), entries_.end(), by_place);
    const auto same_place = [&](const Entry& a, const Entry& b) { return place(a) == place(b); };
    if (std::adjacent_find(entries_.begin(), entries_.end(), same_place) != entries_.end())
      return std::nullopt;
    SeriesFiles files;
    for (const Range& range : ranges_) {
      if (range.varies()) files.counts.along(range.axis) = range.last - range.first + 1;
    }
    files.missing = missing(files.counts);
    files.pattern = pattern();
    if (files.missing.empty()) files.channels = channels(files.counts.c);
    for (Entry& entry : entries_) files.names.push_back(std::move(entry.name));
    return files;
  }

 private:
  struct Entry {
    std::string name;
    std::vector<std::string> numbers;
    std::vector<uint64_t> values;
  };
  // The numbers at one place of the names.
  struct Range {
    Axis axis = Axis::t;
    uint64_t first = UINT64_MAX;
    uint64_t last = 0;
    size_t digits = SIZE_MAX;  // of the shortest
    bool varies() const { return first != last; }
  };

  // False if two numbers that vary are of one axis.
  bool find_ranges() {
    for (size_t i = 0; i < first_.axes.size(); ++i) {
      Range range{first_.axes[i]};
      for (const Entry& entry : entries_) {
        range.first = std::min(range.first, entry.values[i]);
        range.last = std::max(range.last, entry.values[i]);
        range.digits = std::min(range.digits, entry.numbers[i].size());
      }
      const bool taken = std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& other) {
        return other.varies() && other.axis == range.axis;
      });
      if (taken && range.varies()) return false;
      ranges_.push_back(range);
    }
    return true;
  }

  // t, c and z, from 0.
  std::array<uint64_t, 3> place(const Entry& entry) const {
    std::array<uint64_t, 3> place{};
    for (size_t i = 0; i < ranges_.size(); ++i) {
      if (ranges_[i].varies())
        place[static_cast<size_t>(ranges_[i].axis)] = entry.values[i] - ranges_[i].first;
    }
    return place;
  }

  // The sorted entries are compared with those that there must be.
  std::string missing(const Shape& counts) const {
    for (uint64_t i = 0; i < entries_.size(); ++i) {
      const std::array<uint64_t, 3> wanted{i / counts.z / counts.c, i / counts.z % counts.c,
                                           i % counts.z};
      if (place(entries_[i]) != wanted) return name_at(wanted);
    }
    const uint64_t i = entries_.size();
    const uint64_t t = i / counts.z / counts.c;
    return t < counts.t ? name_at({t, i / counts.z % counts.c, i % counts.z}) : std::string();
  }

  std::string padded(size_t range, uint64_t value) const {
    return fmt::format("{:0{}}", value, ranges_[range].digits);
  }

  std::string name_at(const std::array<uint64_t, 3>& place) const {
    std::string name = first_.texts.front();
    for (size_t i = 0; i < ranges_.size(); ++i) {
      const Range& range = ranges_[i];
      name += range.varies() ? padded(i, range.first + place[static_cast<size_t>(range.axis)])
                             : first_.numbers[i];
      name += first_.texts[i + 1];
    }
    return name;
  }

  std::string pattern() const {
    std::string text = first_.texts.front();
    for (size_t i = 0; i < ranges_.size(); ++i) {
      const Range& range = ranges_[i];
      text += range.varies() ? fmt::format("<{}-{}>", padded(i, range.first), padded(i, range.last))
                             : first_.numbers[i];
      text += first_.texts[i + 1];
    }
    return text;
  }

  std::vector<std::string> channels(uint64_t count) const {
    std::vector<std::string> names;
    for (size_t i = 0; i < ranges_.size(); ++i) {
      if (ranges_[i].axis != Axis::c || !ranges_[i].varies()) continue;
      for (uint64_t c = 0; c < count; ++c)
        names.push_back(first_.words[i] + padded(i, ranges_[i].first + c));
    }
    return names;
  }

  const NumberedName first_;
  std::vector<Entry> entries_;
  std::vector<Range> ranges_;
};

}  // namespace

bool has_image_ending(std::string_view name) {
  // Those that are refused are images, too.
  constexpr std::array kEndings = {
      ".tif"sv, ".tiff"sv, ".btf"sv,  ".tf8"sv,  ".svs"sv,  ".ndpi"sv, ".scn"sv,     ".lsm"sv,
      ".stk"sv, ".png"sv,  ".jpg"sv,  ".jpeg"sv, ".mrc"sv,  ".mrcs"sv, ".ccp4"sv,    ".map"sv,
      ".rec"sv, ".st"sv,   ".ims"sv,  ".h5"sv,   ".hdf5"sv, ".czi"sv,  ".nd2"sv,     ".lif"sv,
      ".oib"sv, ".oif"sv,  ".mrxs"sv, ".vms"sv,  ".vmu"sv,  ".bif"sv,  ".svslide"sv, ".zvi"sv,
      ".jp2"sv, ".dv"sv,   ".vsi"sv,  ".bmp"sv,  ".gif"sv,  ".webp"sv};
  const std::string lower =
      lower_case(name.substr(name.rfind('.') == name.npos ? name.size() : name.rfind('.')));
  return std::find(kEndings.begin(), kEndings.end(), lower) != kEndings.end();
}

FolderNames find_series(const std::vector<std::string>& names) {
  FolderNames found;
  std::map<std::string, NumberedNames> groups;
  for (const std::string& name : names) {
    if (name.empty() || name.front() == '.' || !has_image_ending(name)) continue;
    NumberedName split = split_name(name);
    if (split.numbers.empty()) {
      found.others.push_back(name);
      continue;
    }
    std::string key;
    for (const std::string& text : split.texts) key += text + '\0';
    const std::vector<std::string> numbers = split.numbers;
    groups.try_emplace(key, std::move(split)).first->second.add(name, numbers);
  }
  for (auto& [key, group] : groups) {
    if (auto series = group.series()) {
      found.series.push_back(*std::move(series));
    } else {
      for (const auto& entry : group.entries()) found.others.push_back(entry.name);
    }
  }
  std::sort(found.others.begin(), found.others.end());
  return found;
}

}  // namespace tierhub::formats
