#include "compute/executors/node_check.h"

#include <algorithm>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/posix.h"
#include "compute/executors/text.h"
#include "compute/executors/wire.h"

namespace tierhub::compute {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kKinds[] = {"wrote", "good", "bad", "unreadable"};
// Clocks may differ by so much, and by what the check takes.
constexpr std::chrono::seconds kClockTolerance{2};
constexpr std::string_view kFolderPrefix = ".node-check-";

void remove_check_folder(const std::string& folder) {
  for (const char* file : {"here", "there", "back", "here.tmp", "there.tmp", "back.tmp"})
    ::unlink((folder + "/" + file).c_str());
  ::rmdir(folder.c_str());
}

// At this offset; the end of the file is readable, too, and so is a folder.
bool can_read(const std::string& path, uint64_t offset) {
  const Result<UniqueFd> fd = posix::open_at(AT_FDCWD, path, O_RDONLY);
  if (!fd) return false;
  char letter = 0;
  return ::pread(fd->get(), &letter, 1, static_cast<off_t>(offset)) >= 0 || errno == EISDIR;
}

}  // namespace

std::string to_json(const NodeOrder& order) {
  Json programs = Json::array();
  for (const NodeOrder::Program& program : order.programs) {
    programs.push_back({{"name", api::to_wire_text(program.name)},
                        {"search_path", api::to_wire_text(program.search_path)},
                        {"cwd", api::to_wire_text(program.cwd)}});
  }
  return to_wire_line({{"nonce", order.nonce},
                       {"version", order.version},
                       {"uid", order.uid},
                       {"gid", order.gid},
                       {"groups", order.groups},
                       {"user", api::to_wire_text(order.user)},
                       {"places", texts_to_wire(order.places)},
                       {"programs", programs},
                       {"setup", api::to_wire_text(order.setup)},
                       {"read", api::to_wire_text(order.read)},
                       {"least_read_rate", order.least_read_rate},
                       {"least_free_tmp", order.least_free_tmp}}) +
         "\n";
}

Result<NodeOrder> parse_node_order(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    NodeOrder order;
    order.nonce = json.at("nonce").get<std::string>();
    order.version = json.at("version").get<std::string>();
    json.at("uid").get_to(order.uid);
    json.at("gid").get_to(order.gid);
    json.at("groups").get_to(order.groups);
    order.user = text_from_wire(json, "user");
    order.places = texts_from_wire(json.at("places"));
    for (const Json& program : json.at("programs")) {
      order.programs.push_back({text_from_wire(program, "name"),
                                text_from_wire(program, "search_path"),
                                text_from_wire(program, "cwd")});
    }
    order.setup = text_from_wire(json, "setup");
    order.read = text_from_wire(json, "read");
    json.at("least_read_rate").get_to(order.least_read_rate);
    json.at("least_free_tmp").get_to(order.least_free_tmp);
    return order;
  } catch (const Json::exception& e) {
    return Error(std::errc::invalid_argument, fmt::format("the order of a check: {}", e.what()));
  }
}

std::string to_json(const NodeWord& word) {
  return to_wire_line({{"word", kKinds[static_cast<size_t>(word.kind)]},
                       {"place", word.place},
                       {"reason", word.reason},
                       {"now_ns", word.now.ns},
                       {"read_bytes", word.read_bytes},
                       {"read_s", word.read_s}}) +
         "\n";
}

std::optional<NodeWord> parse_node_word(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    const auto* kind =
        std::find(std::begin(kKinds), std::end(kKinds), json.at("word").get<std::string>());
    if (kind == std::end(kKinds)) return std::nullopt;
    NodeWord word;
    word.kind = static_cast<NodeWord::Kind>(kind - std::begin(kKinds));
    json.at("place").get_to(word.place);
    json.at("reason").get_to(word.reason);
    json.at("now_ns").get_to(word.now.ns);
    json.at("read_bytes").get_to(word.read_bytes);
    json.at("read_s").get_to(word.read_s);
    return word;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::string check_folder(const std::string& place, std::string_view nonce) {
  return fmt::format("{}/{}{}", place, kFolderPrefix, nonce.substr(0, 16));
}

void remove_old_checks(const std::vector<std::string>& places) {
  for (const std::string& place : places) {
    const Result<UniqueFd> fd = posix::open_at(AT_FDCWD, place, O_RDONLY | O_DIRECTORY);
    if (!fd) continue;
    const Result<std::vector<std::string>> names = posix::list_directory_fd(fd->get());
    if (!names) continue;
    for (const std::string& name : *names) {
      if (name.starts_with(kFolderPrefix)) remove_check_folder(place + "/" + name);
    }
  }
}

bool is_seen(const std::string& folder, const std::string& file, std::string_view content) {
  const Result<std::string> text = posix::read_file(folder + "/" + file);
  if (!text || *text != content) return false;
  const Result<UniqueFd> fd = posix::open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY);
  if (!fd) return false;
  const Result<std::vector<std::string>> names = posix::list_directory_fd(fd->get());
  return names && std::find(names->begin(), names->end(), file) != names->end();
}

NodeCheck::NodeCheck(NodeOrder order)
    : order_(std::move(order)),
      begun_(Timestamp::now()),
      give_up_at_(SteadyClock::now() + kCheckPatience) {}

Result<NodeCheck> NodeCheck::begin(NodeOrder order) {
  NodeCheck check(std::move(order));
  for (const std::string& place : check.order_.places) {
    const std::string folder = check_folder(place, check.order_.nonce);
    Result<void> made = posix::make_directories(folder, 0700);
    if (made) made = posix::replace_file(folder + "/here", check.order_.nonce);
    if (made) continue;
    check.end();
    return made.error();
  }
  return check;
}

void NodeCheck::end() const {
  for (const std::string& place : order_.places)
    remove_check_folder(check_folder(place, order_.nonce));
}

void NodeCheck::fail(std::string fault) {
  if (std::exchange(is_over_, true)) return;
  fault_ = std::move(fault);
}

void NodeCheck::leave_undecided(std::string why) {
  if (is_over_) return;
  is_undecided_ = true;
  fail(std::move(why));
}

std::string NodeCheck::hear(std::string_view bytes) {
  partial_ += bytes;
  size_t begin = 0;
  for (size_t end = partial_.find('\n'); end != std::string::npos;
       end = partial_.find('\n', begin)) {
    const auto word = parse_node_word(std::string_view(partial_).substr(begin, end - begin));
    if (word && !is_over_) take(*word);
    begin = end + 1;
  }
  partial_.erase(0, begin);
  return look();
}

void NodeCheck::take(const NodeWord& word) {
  switch (word.kind) {
    case NodeWord::Kind::wrote:
      if (word.place >= order_.places.size()) return;
      sought_ = word.place;
      seek_until_ = SteadyClock::now() + kSeenWithin;
      return;
    case NodeWord::Kind::bad:
      fail(word.reason);
      return;
    case NodeWord::Kind::unreadable:
      if (can_read(order_.read, word.read_bytes)) {
        fail(word.reason);
        return;
      }
      break;
    case NodeWord::Kind::good:
      break;
  }
  // The node looked at its clock between the beginning and now.
  const double behind = static_cast<double>(begun_.ns_since(word.now)) / 1e9;
  const double ahead = static_cast<double>(word.now.ns_since(Timestamp::now())) / 1e9;
  const double off = std::max(behind, ahead);
  if (off > std::chrono::duration<double>(kClockTolerance).count()) {
    fail(fmt::format("its clock is {} {} that of this machine: set it by NTP", duration_text(off),
                     behind > ahead ? "behind" : "ahead of"));
    return;
  }
  if (word.read_s > 0) read_rate_ = static_cast<double>(word.read_bytes) / word.read_s;
  is_over_ = true;
}

std::string NodeCheck::look() {
  if (is_over_) return {};
  if (SteadyClock::now() > give_up_at_) {
    leave_undecided(fmt::format("its check did not end within {} s", kCheckPatience.count()));
    return {};
  }
  if (!sought_) return {};
  const std::string& place = order_.places[*sought_];
  const std::string folder = check_folder(place, order_.nonce);
  if (!is_seen(folder, "there", order_.nonce)) {
    if (SteadyClock::now() > seek_until_) {
      fail(
          fmt::format("what it wrote into {} was not seen here within 1 s: see 'The mount on the "
                      "nodes' in docs/CLUSTER.md",
                      place));
    }
    return {};
  }
  const Result<void> written = posix::replace_file(folder + "/back", order_.nonce);
  if (!written) {
    leave_undecided("the check could not write here: " + written.error().text());
    return {};
  }
  return fmt::format("back {}\n", *std::exchange(sought_, std::nullopt));
}

void NodeCheck::step_ended(const std::string& how) {
  leave_undecided("its check ended without a word: " + how);
}

}  // namespace tierhub::compute
