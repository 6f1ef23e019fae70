#include "compute/workflow/placeholders.h"

#include <algorithm>

#include <fmt/format.h>

namespace tierhub::compute {
namespace {

constexpr std::array<std::string_view, kPlaceholders> kNames = {
    "input", "select",   "box",  "halo", "task",   "name",  "path",
    "run",   "workflow", "user", "work", "output", "inputs"};

constexpr std::string_view kEndsAPath = " \t\r\n'\"`;|&<>()";

std::optional<Placeholder> find_placeholder(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Placeholder>(found - kNames.begin());
}

std::string known_names() {
  std::string text;
  for (const std::string_view name : kNames) {
    text += fmt::format("{}{{{}}}", text.empty() ? "" : ", ", name);
  }
  return text;
}

}  // namespace

std::string_view to_text(Placeholder placeholder) {
  return kNames[static_cast<size_t>(placeholder)];
}

bool is_placeholder(std::string_view name) { return find_placeholder(name).has_value(); }

bool is_placeholder_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

tl::expected<Template, Template::ParseError> Template::parse(std::string_view text,
                                                             const OtherNames& other) {
  Template made;
  std::string literal;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '{') {
      literal += text[at];
      continue;
    }
    if (text.substr(at, 2) == "{{") {
      literal += '{';
      ++at;
      continue;
    }
    const size_t end = text.find('}', at);
    const std::string_view name =
        end == std::string_view::npos ? std::string_view() : text.substr(at + 1, end - at - 1);
    if (!is_placeholder_name(name)) {
      return tl::unexpected(
          ParseError{at, "{", "a single '{' begins a placeholder: write '{{' for a brace"});
    }
    const std::optional<Placeholder> placeholder = find_placeholder(name);
    const auto value = placeholder || !other ? std::nullopt : other(name);
    if (value) {
      literal += *value;
      at = end;
      continue;
    }
    if (!placeholder) {
      return tl::unexpected(
          ParseError{at, fmt::format("{{{}}}", name),
                     fmt::format("{{{}}} is not a placeholder: use {}, or write '{{{{' for a brace",
                                 name, known_names())});
    }
    made.add({std::move(literal), placeholder});
    literal.clear();
    at = end;
  }
  if (!literal.empty()) made.add({std::move(literal), std::nullopt});
  return made;
}

bool Template::mentions(Placeholder placeholder) const {
  return std::any_of(pieces_.begin(), pieces_.end(),
                     [&](const Piece& piece) { return piece.placeholder == placeholder; });
}

void Template::add(const Piece& piece) {
  for (const char c : piece.literal) source_ += c == '{' ? "{{" : std::string(1, c);
  if (piece.placeholder) source_ += fmt::format("{{{}}}", to_text(*piece.placeholder));
  pieces_.push_back(piece);
}

std::vector<Template> Template::paths_of_the_run() const {
  std::vector<Template> paths;
  bool inside = false;  // the last of `paths` goes on
  for (const Piece& piece : pieces_) {
    if (inside) {
      const size_t end = std::min(piece.literal.find_first_of(kEndsAPath), piece.literal.size());
      inside = end == piece.literal.size();
      paths.back().add({piece.literal.substr(0, end), inside ? piece.placeholder : std::nullopt});
    }
    if (piece.placeholder == Placeholder::output || piece.placeholder == Placeholder::work) {
      if (!inside) paths.emplace_back().add({"", piece.placeholder});
      inside = true;
    }
  }
  return paths;
}

std::string Template::expand(const PlaceholderValues& values) const {
  std::string text;
  for (const Piece& piece : pieces_) {
    text += piece.literal;
    if (piece.placeholder) text += values.get(*piece.placeholder).value_or("");
  }
  return text;
}

}  // namespace tierhub::compute
