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

#include "compute/workflow/complaint.h"

namespace tierhub::compute {

class YamlDocument {
 public:
  // One document of at most kMaxBytes; a byte-order mark and CRLF are fine. Reads no tags but
  // those of the YAML core schema.
  static constexpr size_t kMaxBytes = 1 << 20;
  static Checked<YamlDocument> parse(std::string_view text);

  const YAML::Node& root() const { return root_; }
  Position position(const YAML::Node& node) const;
  // Where `token` stands within the scalar `node`: the `nth` time, from 0.
  Position position_in(const YAML::Node& node, std::string_view token, size_t nth = 0) const;

  Complaint complaint(const YAML::Node& node, std::string text, std::string hint = {}) const {
    return {position(node), std::move(text), std::move(hint)};
  }

  // Calls `use(key, key node, value node)` for each entry of a map. What is wrong with an entry is
  // added to `complaints`, and the others are used all the same: an unknown key, one that comes
  // twice, what `use` returns. `known`: all keys, or empty if any will do. `what` names the map:
  // "a step". A complaint if `node` is no map.
  using UseEntry =
      std::function<Checked<void>(const std::string&, const YAML::Node&, const YAML::Node&)>;
  Checked<void> each_entry(const YAML::Node& node, std::string_view what,
                           const std::vector<std::string_view>& known, const UseEntry& use,
                           Complaints& complaints) const;

  // A text, a number or a boolean as it is written; `what` names it in the complaint.
  Checked<std::string> scalar(const YAML::Node& node, std::string_view what) const;
  // A whole number from `least` to `most`: decimal, 0o17 or 0xff. `text` is what `node` says.
  Checked<uint64_t> number(const YAML::Node& node, const std::string& text, std::string_view what,
                           uint64_t least, uint64_t most) const;

 private:
  YamlDocument(std::string text, YAML::Node root) : text_(std::move(text)), root_(root) {}
  Position position_at(size_t offset) const;

  std::string text_;
  YAML::Node root_;
};

}  // namespace tierhub::compute
