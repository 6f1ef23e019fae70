#include "imaging/tables/name_pattern.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "imaging/images/output.h"
#include "imaging/tables/wells.h"

namespace tierhub::imaging {
namespace {

constexpr std::array<const char*, 3> kFilled = {"well", "field", "t"};

std::string group_for(std::string_view word) {
  if (word == "well") return "([A-Za-z]{1,2}[0-9]{1,2})";
  if (word == "field") return "([A-Za-z0-9]+?)";
  if (word == "t") return "([0-9]+)";
  return "(.+?)";
}

std::string canonical(const std::string& word, std::string value) {
  if (word == "well") {
    const auto well = parse_well(value);
    return well ? to_text(*well) : value;
  }
  if (value.find_first_not_of("0123456789") != std::string::npos) return value;
  value.erase(0, std::min(value.find_first_not_of('0'), value.size() - 1));
  return value;
}

}  // namespace

Result<NamePattern> NamePattern::parse(const std::string& text) {
  const auto refused = [&](const std::string& why) {
    return Error(std::errc::invalid_argument, fmt::format("--names \"{}\": {}", text, why));
  };
  NamePattern pattern;
  pattern.text_ = text;
  std::string regex;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '*') {
      regex += ".*";
    } else if (c == '{') {
      const size_t end = text.find('}', at);
      if (end == std::string::npos) return refused("a } is missing");
      const std::string word = text.substr(at + 1, end - at - 1);
      if (word.empty()) return refused("{} must name a word, such as {well}");
      if (pattern.has(word)) return refused("{" + word + "} appears twice");
      pattern.words_.push_back(word);
      regex += group_for(word);
      at = end;
    } else {
      if (std::string_view("^$\\.+?()[]|}").find(c) != std::string_view::npos) regex += '\\';
      regex += c;
    }
  }
  if (std::none_of(kFilled.begin(), kFilled.end(), [&](auto word) { return pattern.has(word); }))
    return refused("use at least one of {well}, {field} and {t}, such as \"*_{well}_s{field}\"");
  pattern.regex_ = std::regex(regex);
  return pattern;
}

bool NamePattern::has(std::string_view word) const {
  return std::find(words_.begin(), words_.end(), word) != words_.end();
}

Result<std::map<std::string, std::string>> NamePattern::match(const std::string& path) const {
  constexpr size_t kMaxName = 1024;  // std::regex needs stack for each character
  std::smatch found;
  const std::string stem = stem_of(path);
  const std::string name = base_name(path);
  if (name.size() > kMaxName ||
      (!std::regex_match(stem, found, regex_) && !std::regex_match(name, found, regex_))) {
    return Error(std::errc::invalid_argument,
                 fmt::format("the name {} does not fit the pattern {} of --names", name, text_));
  }
  std::map<std::string, std::string> values;
  for (size_t i = 0; i < words_.size(); ++i)
    values[words_[i]] = canonical(words_[i], found[i + 1].str());
  return values;
}

std::string stem_of(const std::string& path) {
  std::string name = base_name(path);
  const size_t dot = name.rfind('.');
  if (dot != std::string::npos && dot > 0) name.resize(dot);
  if (name.ends_with(".ome") && name.size() > 4) name.resize(name.size() - 4);
  return name;
}

Result<void> fill_from_names(Table& table, const NamePattern& pattern) {
  struct Filled {
    const char* word;
    size_t column;
  };
  std::vector<Filled> filled;
  for (const char* word : kFilled) {
    if (!pattern.has(word)) continue;
    const auto column = table.find(word);
    filled.push_back({word, column ? *column : table.add_column(word)});
  }
  const auto file = table.find("file");
  std::map<std::string, std::map<std::string, std::string>, std::less<>> known;
  for (size_t row = 0; row < table.rows(); ++row) {
    // A file of one time point has t 0, whatever its name says.
    const auto is_open = [&](const Filled& one) {
      const std::string_view cell = table.cell(row, one.column);
      return cell.empty() || std::string_view(one.word) == "t";
    };
    if (std::none_of(filled.begin(), filled.end(), is_open)) continue;
    const std::string_view in_row = file ? table.cell(row, *file) : std::string_view();
    const std::string_view name = in_row.empty() ? table.files()[table.file_of(row)] : in_row;
    auto found = known.find(name);
    if (found == known.end()) {
      auto values = pattern.match(std::string(name));
      if (!values) return values.error().in(table.place(row));
      found = known.emplace(std::string(name), *std::move(values)).first;
    }
    for (const Filled& one : filled) {
      if (!is_open(one)) continue;
      const std::string_view cell = table.cell(row, one.column);
      const std::string& value = found->second[one.word];
      if (!cell.empty() && cell != "0" && cell != value) {
        return Error(std::errc::invalid_argument,
                     fmt::format("{}: t is {}, but the name {} says {}: leave {{t}} out of --names",
                                 table.place(row), cell, name, value));
      }
      if (cell != value) table.set(row, one.column, value);
    }
  }
  return {};
}

void write_wells_alike(Table& table) {
  const auto column = table.find("well");
  if (!column) return;
  for (size_t row = 0; row < table.rows(); ++row) {
    const auto well = parse_well(table.cell(row, *column));
    if (!well) continue;
    if (const std::string text = to_text(*well); text != table.cell(row, *column))
      table.set(row, *column, text);
  }
}

}  // namespace tierhub::imaging
