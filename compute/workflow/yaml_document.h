// A YAML file with its positions, so that every error can name line and column. The only user of
// yaml-cpp in this folder, together with the workflow parser.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "common/result.h"

namespace tierhub::compute {

// Counted from 1; columns in bytes.
struct Position {
  size_t line = 1;
  size_t column = 1;
};

class YamlDocument {
 public:
  // One document of at most kMaxBytes; a byte-order mark and CRLF are fine. Reads no tags but
  // those of the YAML core schema.
  static constexpr size_t kMaxBytes = 1 << 20;
  static Result<YamlDocument> parse(std::string_view text);

  const YAML::Node& root() const { return root_; }
  Position position(const YAML::Node& node) const;
  // Where `token` stands within the scalar `node`: the `nth` time, from 0.
  Position position_in(const YAML::Node& node, std::string_view token, size_t nth = 0) const;

  // "line 3, column 7: <text>"
  static Error error(Position position, std::string_view text);
  Error error(const YAML::Node& node, std::string_view text) const {
    return error(position(node), text);
  }

  // Calls `use(key, key node, value node)` for each entry of a map. An error if `node` is no map,
  // if a key comes twice, or if it is none of `known`. `what` names the map: "a step".
  using UseEntry =
      std::function<Result<void>(const std::string&, const YAML::Node&, const YAML::Node&)>;
  Result<void> each_entry(const YAML::Node& node, std::string_view what,
                          const std::vector<std::string_view>& known, const UseEntry& use) const;

  // A text, a number or a boolean as it is written; `what` names it in the error.
  Result<std::string> scalar(const YAML::Node& node, std::string_view what) const;
  // A whole number from `least` to `most`: decimal, 0o17 or 0xff.
  Result<uint64_t> number(const YAML::Node& node, std::string_view what, uint64_t least,
                          uint64_t most) const;

 private:
  YamlDocument(std::string text, YAML::Node root) : text_(std::move(text)), root_(root) {}
  Position position_at(size_t offset) const;

  std::string text_;
  YAML::Node root_;
};

}  // namespace tierhub::compute
