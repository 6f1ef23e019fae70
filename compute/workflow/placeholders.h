// The words in braces that a workflow file may use: "{input}", "{box}", ... A text is parsed once,
// when the file is read, so that an unknown word is found before anything runs.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace tierhub::compute {

enum class Placeholder {
  input,
  select,
  box,
  halo,
  task,
  name,
  path,
  run,
  workflow,
  user,
  work,
  output,
  inputs
};
inline constexpr size_t kPlaceholders = 13;

std::string_view to_text(Placeholder placeholder);
bool is_placeholder(std::string_view name);
// Whether it consists of what a name in braces may have: letters, digits, '_' and '-'.
bool is_placeholder_name(std::string_view text);

// What the placeholders stand for; nothing for one that has no meaning where it is used.
class PlaceholderValues {
 public:
  PlaceholderValues& set(Placeholder placeholder, std::string value) {
    values_[static_cast<size_t>(placeholder)] = std::move(value);
    return *this;
  }
  const std::optional<std::string>& get(Placeholder placeholder) const {
    return values_[static_cast<size_t>(placeholder)];
  }

 private:
  std::array<std::optional<std::string>, kPlaceholders> values_;
};

// A text with placeholders. "{{" writes one brace; a closing brace outside a placeholder stands
// for itself.
class Template {
 public:
  struct ParseError {
    size_t offset = 0;   // of the brace, in bytes from the start of the text
    std::string token;   // as it is written: "{boks}"
    std::string reason;  // one sentence
  };

  // What stands for a name in braces that is no placeholder; nothing if it is no such name. It is
  // text: braces in it have no meaning.
  using OtherNames = std::function<std::optional<std::string>(std::string_view)>;

  Template() = default;
  static tl::expected<Template, ParseError> parse(std::string_view text,
                                                  const OtherNames& other = {});

  bool mentions(Placeholder placeholder) const;
  // A placeholder that has no value expands to nothing; the parser of the workflow refuses those.
  std::string expand(const PlaceholderValues& values) const;
  // As it was written, but with the values of other names.
  const std::string& source() const { return source_; }
  // The parts that are paths in {output} or {work}: from the placeholder to the next blank, quote
  // or other character that ends a word in a shell.
  std::vector<Template> paths_of_the_run() const;

 private:
  struct Piece {
    std::string literal;
    std::optional<Placeholder> placeholder;  // comes after the literal
  };

  void add(const Piece& piece);

  std::string source_;
  std::vector<Piece> pieces_;
};

}  // namespace tierhub::compute
