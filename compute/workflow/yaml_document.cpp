#include "compute/workflow/yaml_document.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>

#include "common/utf8.h"

namespace tierhub::compute {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

Position from_mark(const YAML::Mark& mark) {
  return {static_cast<size_t>(std::max(mark.line, 0)) + 1,
          static_cast<size_t>(std::max(mark.column, 0)) + 1};
}

// Where the text is not UTF-8, or holds a NUL.
std::optional<Position> first_bad_character(std::string_view text) {
  Position position;
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    if (length == 0 || text.front() == '\0') return position;
    position.column += length;
    if (text.front() == '\n') position = {position.line + 1, 1};
    text.remove_prefix(length);
  }
  return std::nullopt;
}

// Where the first node of each document stands, as the parser meets them.
class DocumentStarts : public YAML::EventHandler {
 public:
  std::vector<YAML::Mark> marks;

  void OnDocumentStart(const YAML::Mark&) override { begins_ = true; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { note(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { note(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                const std::string&) override {
    note(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    note(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    note(mark);
  }
  void OnMapEnd() override {}

 private:
  void note(const YAML::Mark& mark) {
    if (begins_) marks.push_back(mark);
    begins_ = false;
  }
  bool begins_ = false;
};

// At most two are looked for. YAML::LoadAll would never come to the end of a text such as ",".
std::vector<YAML::Mark> first_documents(const std::string& text) {
  std::istringstream in(text);
  YAML::Parser parser(in);
  DocumentStarts starts;
  while (starts.marks.size() < 2 && parser.HandleNextDocument(starts)) {
  }
  return starts.marks;
}

// How many single-character changes turn `a` into `b`.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

// What to write instead of a key that is none of `known`.
std::string hint_for(const std::string& key, const std::vector<std::string_view>& known) {
  std::string list;
  std::string_view nearest;
  for (const std::string_view candidate : known) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", candidate);
    if (key.size() < 64 && edit_distance(key, candidate) <= 2) nearest = candidate;
  }
  if (!nearest.empty()) return fmt::format("did you mean '{}'?", nearest);
  return "allowed keys: " + list;
}

bool is_core_tag(const std::string& tag) {
  static const std::set<std::string> known = {"",
                                              "?",
                                              "!",
                                              "tag:yaml.org,2002:str",
                                              "tag:yaml.org,2002:int",
                                              "tag:yaml.org,2002:bool",
                                              "tag:yaml.org,2002:float",
                                              "tag:yaml.org,2002:null",
                                              "tag:yaml.org,2002:map",
                                              "tag:yaml.org,2002:seq"};
  return known.contains(tag);
}

std::string_view kind_of(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
      return "nothing";
    case YAML::NodeType::Null:
      return "nothing";
    case YAML::NodeType::Scalar:
      return "a single value";
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a map";
  }
  return "nothing";
}

}  // namespace

Checked<YamlDocument> YamlDocument::parse(std::string_view text) {
  if (text.size() > kMaxBytes) {
    return Complaint{{}, "the file is larger than 1 MiB, the limit for a workflow", {}};
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (const auto bad = first_bad_character(text)) {
    return Complaint{*bad, "this is not valid UTF-8", "save the workflow as plain text in UTF-8"};
  }
  try {
    const std::string copy(text);
    const std::vector<YAML::Mark> documents = first_documents(copy);
    const YAML::Node root = YAML::Load(copy);
    if (documents.empty() || root.IsNull()) {
      return Complaint{
          {}, "the file is empty", "a workflow needs at least 'workflow', 'input' and 'steps'"};
    }
    if (documents.size() > 1) {
      return Complaint{from_mark(documents[1]),
                       "a second document begins here: a file can hold only one workflow",
                       {}};
    }
    return YamlDocument(copy, root);
  } catch (const YAML::Exception& e) {
    return Complaint{
        e.mark.is_null() ? Position{} : from_mark(e.mark), "not valid YAML: " + e.msg, {}};
  }
}

Position YamlDocument::position(const YAML::Node& node) const { return from_mark(node.Mark()); }

Position YamlDocument::position_at(size_t offset) const {
  const std::string_view before = std::string_view(text_).substr(0, offset);
  const size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
  const size_t start = before.rfind('\n');
  return {line, offset - (start == std::string_view::npos ? 0 : start + 1) + 1};
}

Position YamlDocument::position_in(const YAML::Node& node, std::string_view token,
                                   size_t nth) const {
  const YAML::Mark mark = node.Mark();
  size_t at = mark.pos < 0 ? std::string::npos : static_cast<size_t>(mark.pos);
  if (at > text_.size()) return from_mark(mark);
  at = text_.find(token, at);
  for (size_t i = 0; i < nth && at != std::string::npos; ++i) at = text_.find(token, at + 1);
  return at == std::string::npos ? from_mark(mark) : position_at(at);
}

Checked<void> YamlDocument::each_entry(const YAML::Node& node, std::string_view what,
                                       const std::vector<std::string_view>& known,
                                       const UseEntry& use, Complaints& complaints) const {
  if (!node.IsMap()) {
    return complaint(
        node, fmt::format("{} must be a map of keys and values, not {}", what, kind_of(node)));
  }
  std::set<std::string> seen;
  const auto use_entry = [&](const YAML::Node& name, const YAML::Node& value) -> Checked<void> {
    TRY_ASSIGN(const std::string key, scalar(name, "a key"));
    if (!seen.insert(key).second)
      return complaint(name, fmt::format("{} has the key '{}' twice", what, key));
    if (!known.empty() && std::find(known.begin(), known.end(), key) == known.end())
      return complaint(name, fmt::format("{} has no key '{}'", what, key), hint_for(key, known));
    return use(key, name, value);
  };
  for (const auto& entry : node) {
    Checked<void> used = use_entry(entry.first, entry.second);
    if (!used) complaints.push_back(std::move(used).error());
  }
  return {};
}

Checked<std::string> YamlDocument::scalar(const YAML::Node& node, std::string_view what) const {
  if (!is_core_tag(node.Tag())) {
    return complaint(node, fmt::format("unknown tag {}", node.Tag()), "leave it out");
  }
  if (!node.IsScalar()) {
    return complaint(node, fmt::format("{} must be a single value, not {}", what, kind_of(node)));
  }
  return node.Scalar();
}

Checked<uint64_t> YamlDocument::number(const YAML::Node& node, const std::string& text,
                                       std::string_view what, uint64_t least, uint64_t most) const {
  std::string_view digits = text;
  int base = 10;
  if (digits.starts_with("0x")) base = 16;
  if (digits.starts_with("0o")) base = 8;
  if (base != 10) digits.remove_prefix(2);
  if (base == 10 && digits.starts_with('+')) digits.remove_prefix(1);
  uint64_t value = 0;
  const auto [end, failure] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (failure != std::errc() || end != digits.data() + digits.size() || value < least ||
      value > most) {
    return complaint(node, fmt::format("{} must be a whole number from {} to {}, not '{}'", what,
                                       least, most, text));
  }
  return value;
}

}  // namespace tierhub::compute
