#include "daemon/config.h"

#include <cctype>
#include <climits>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <yaml-cpp/yaml.h>

#include "common/log.h"
#include "common/posix.h"
#include "storage/archive/archive.h"
#include "storage/helper/process.h"

namespace tierhub {
namespace {

constexpr char kFound = '+';
constexpr char kRefused = '-';

Error at(const YAML::Node& node, const std::string& file, const std::string& text) {
  return Error(std::errc::invalid_argument, fmt::format("{}:{}:{}: {}", file, node.Mark().line + 1,
                                                        node.Mark().column + 1, text));
}

// "64MiB", "2 GiB", "4096".
Result<uint64_t> parse_bytes(const std::string& text) {
  const std::map<std::string, int> shifts = {{"", 0},     {"B", 0},    {"KiB", 10},
                                             {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
  size_t end = 0;
  double number = 0;
  try {
    number = std::stod(text, &end);
  } catch (const std::exception&) {
    return Error(std::errc::invalid_argument,
                 fmt::format("'{}' is not a size; write 4096, 64MiB or 2GiB", text));
  }
  while (end < text.size() && std::isspace(static_cast<unsigned char>(text[end])) != 0) ++end;
  const auto shift = shifts.find(text.substr(end));
  if (shift == shifts.end() || number < 0 || !std::isfinite(number)) {
    return Error(std::errc::invalid_argument,
                 fmt::format("'{}' is not a size; write 4096, 64MiB or 2GiB", text));
  }
  return static_cast<uint64_t>(std::ldexp(number, shift->second));
}

using Setter = std::function<Result<void>(Config&, const std::string&)>;

Setter text_key(std::string Config::*member) {
  return [=](Config& config, const std::string& value) -> Result<void> {
    return config.*member = value, Result<void>();
  };
}

Setter bytes_key(uint64_t Config::*member) {
  return [=](Config& config, const std::string& value) -> Result<void> {
    TRY_ASSIGN(config.*member, parse_bytes(value));
    return {};
  };
}

Setter number_key(double Config::*member, double least, double greatest) {
  return [=](Config& config, const std::string& value) -> Result<void> {
    size_t end = 0;
    double number = NAN;
    try {
      number = std::stod(value, &end);
    } catch (const std::exception&) {
      end = 0;
    }
    if (end == 0 || end != value.size() || !(number >= least && number <= greatest)) {
      return Error(std::errc::invalid_argument,
                   fmt::format("'{}' is not a number from {} to {}", value, least, greatest));
    }
    config.*member = number;
    return {};
  };
}

Setter count_key(uint64_t Config::*member, uint64_t least, uint64_t greatest) {
  return [=](Config& config, const std::string& value) -> Result<void> {
    const bool digits = !value.empty() && value.size() < 19 &&
                        value.find_first_not_of("0123456789") == std::string::npos;
    const uint64_t number = digits ? std::stoull(value) : 0;
    if (!digits || number < least || number > greatest) {
      return Error(std::errc::invalid_argument,
                   fmt::format("'{}' is not a whole number from {} to {}", value, least, greatest));
    }
    config.*member = number;
    return {};
  };
}

Setter switch_key(bool Config::*member) {
  return [=](Config& config, const std::string& value) -> Result<void> {
    if (value != "true" && value != "false") {
      return Error(std::errc::invalid_argument,
                   fmt::format("'{}' is neither true nor false", value));
    }
    config.*member = value == "true";
    return {};
  };
}

// Names with commas between them.
Result<void> set_leave_out(Config& config, const std::string& value) {
  config.leave_out.clear();
  for (size_t at = 0; at <= value.size();) {
    const size_t comma = std::min(value.find(',', at), value.size());
    std::string name = value.substr(at, comma - at);
    name.erase(0, name.find_first_not_of(' '));
    name.erase(name.find_last_not_of(' ') + 1);
    const bool sound = name.find('/', 1) == std::string::npos && name != "/" && name != "*";
    if (!sound)
      return Error(std::errc::invalid_argument,
                   fmt::format("'{}' is not the name of a file", name));
    if (!name.empty()) config.leave_out.push_back(std::move(name));
    at = comma + 1;
  }
  return {};
}

Result<void> set_log_level(Config& config, const std::string& value) {
  TRY_ASSIGN(config.log_level, log::parse_level(value));
  return {};
}

const std::map<std::string, Setter>& setters() {
  static const std::map<std::string, Setter> keys = {
      {"archive", text_key(&Config::archive)},
      {"scratch", text_key(&Config::scratch)},
      {"mount", text_key(&Config::mount)},
      {"state", text_key(&Config::state)},
      {"socket", text_key(&Config::socket)},
      {"log_level", set_log_level},
      {"chunk_size", bytes_key(&Config::chunk_bytes)},
      {"capacity", bytes_key(&Config::capacity_bytes)},
      {"reserve", bytes_key(&Config::reserve_bytes)},
      {"high_percent", number_key(&Config::high_percent, 1, 100)},
      {"low_percent", number_key(&Config::low_percent, 0, 100)},
      {"write_wait", number_key(&Config::write_wait_s, 0, 86400)},
      {"catalog_backup_s", number_key(&Config::catalog_backup_s, 0, 1e9)},
      {"catalog_backups", count_key(&Config::catalog_backups, 1, 1000)},
      {"settle_s", number_key(&Config::settle_s, 0, 86400)},
      {"retry_parked_s", number_key(&Config::retry_parked_s, 1, 86400)},
      {"publish_lanes", count_key(&Config::publish_lanes, 1, 64)},
      {"verify_by_reading", switch_key(&Config::verify_by_reading)},
      {"scan_every_s", number_key(&Config::scan_every_s, 0, 31'536'000)},
      {"growing_s", number_key(&Config::growing_s, 0, 86400)},
      {"trash_days", number_key(&Config::trash_days, 0, 36500)},
      {"trash_replaced", switch_key(&Config::trash_replaced)},
      {"trash_keep_free", bytes_key(&Config::trash_keep_free_bytes)},
      {"archive_slots", count_key(&Config::archive_slots, 1, 1024)},
      {"archive_time_limit_s", number_key(&Config::archive_time_limit_s, 0.1, 3600)},
      {"answer_first", switch_key(&Config::answer_first)},
      {"read_ahead", bytes_key(&Config::read_ahead_bytes)},
      {"leave_out", set_leave_out},
      {"prefetch_files_in_flight", count_key(&Config::prefetch_files_in_flight, 1, 4096)},
      {"prefetch_bytes_in_flight", bytes_key(&Config::prefetch_bytes_in_flight)},
      {"prefetch_room_wait_s", number_key(&Config::prefetch_room_wait_s, 0, 86400)},
      {"keeper", switch_key(&Config::keeper)},
      {"restarts_max", count_key(&Config::restarts_max, 0, 1'000'000)},
      {"stop_limit_s", number_key(&Config::stop_limit_s, 1, 3600)},
      {"dev", switch_key(&Config::devices)},
      {"suid", switch_key(&Config::set_user_id)},
      {"lease_user_percent", number_key(&Config::lease_user_percent, 1, 100)},
      {"pin_user", bytes_key(&Config::pin_user_bytes)},
      {"pin_users_percent", number_key(&Config::pin_users_percent, 0, 100)},
      {"lease_max_s", number_key(&Config::lease_max_s, 1, 366.0 * 86400)},
      {"passthrough", switch_key(&Config::passthrough)},
      {"fuse_threads", count_key(&Config::fuse_threads, 1, 256)},
      {"fuse_spin_us", count_key(&Config::fuse_spin_us, 0, 10'000)},
      {"attribute_timeout_s", number_key(&Config::attribute_timeout_s, 0, 86400)},
      {"entry_timeout_s", number_key(&Config::entry_timeout_s, 0, 86400)},
      {"inodes_in_memory", count_key(&Config::inodes_in_memory, 1000, 100'000'000)},
  };
  return keys;
}

bool is_inside(const std::filesystem::path& inner, const std::filesystem::path& outer) {
  const auto relative = inner.lexically_relative(outer);
  return !relative.empty() && *relative.begin() != "..";
}

Result<std::string> existing_folder(const std::string& what, const std::string& path) {
  if (path.empty())
    return Error(std::errc::invalid_argument,
                 fmt::format("no {0} folder is given: use --{0} DIR", what));
  std::error_code error;
  const auto canonical = std::filesystem::canonical(path, error);
  if (error)
    return Error(
        error, fmt::format("the {} folder {} cannot be used: {}. Make it, or check the path", what,
                           path, error.message()));
  if (!std::filesystem::is_directory(canonical, error)) {
    return Error(std::errc::not_a_directory, fmt::format("the {} {} is not a folder", what, path));
  }
  return canonical.string();
}

Result<void> check_writable(const std::string& what, const std::string& path) {
  if (::access(path.c_str(), R_OK | W_OK | X_OK) == 0) return {};
  const int error = errno;
  return Error(std::error_code(error, std::generic_category()),
               fmt::format("the {} folder {} cannot be written by this user: {}", what, path,
                           std::generic_category().message(error)));
}

Result<std::string> checked_archive(const std::string& path) {
  TRY_ASSIGN(const std::string canonical, existing_folder("archive", path));
  TRY(check_writable("archive", canonical));
  return canonical;
}

// A process of its own looks at it: an archive that hangs must not keep tierd from starting. Its
// path is then taken as it is.
Result<std::string> archive_folder(const std::string& path) {
  constexpr int kPatienceMs = 3000;
  if (path.empty()) return existing_folder("archive", path);
  const std::string absolute = std::filesystem::absolute(path).lexically_normal().string();
  TRY_ASSIGN(const HelperProcess helper,
             HelperProcess::start("/proc/self/exe", {kCheckArchive, absolute}));
  pollfd answered{helper.socket(), POLLIN, 0};
  if (::poll(&answered, 1, kPatienceMs) == 0) {
    log::warning("the archive does not answer", {{"archive", absolute}});
    return absolute;
  }
  std::string answer(1 + 2 * PATH_MAX, '\0');
  const ssize_t n = ::read(helper.socket(), answer.data(), answer.size());
  if (n < 1) return Error(std::errc::io_error, "the archive folder cannot be checked");
  answer.resize(static_cast<size_t>(n));
  if (answer[0] == kFound) return answer.substr(1);
  return Error(std::errc::invalid_argument, answer.substr(1));
}

}  // namespace

int check_archive_main(const std::string& path) {
  constexpr int kSocket = 3;
  const auto checked = checked_archive(path);
  const std::string answer = checked ? kFound + *checked : kRefused + checked.error().text();
  return ::write(kSocket, answer.data(), answer.size()) < 0 ? 1 : 0;
}

Config::Config() : leave_out(usual_left_out_names()) {}

Result<void> Config::read_file(const std::string& path) {
  TRY_ASSIGN(const std::string text, posix::read_file(path));
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::Exception& e) {
    return Error(std::errc::invalid_argument,
                 fmt::format("{}:{}:{}: {}", path, e.mark.line + 1, e.mark.column + 1, e.msg));
  }
  if (root.IsNull()) return {};
  if (!root.IsMap())
    return at(root, path, "the configuration must be a list of 'key: value' lines");
  for (const auto& item : root) {
    const auto key = item.first.as<std::string>();
    const auto setter = setters().find(key);
    if (setter == setters().end())
      return at(item.first, path,
                fmt::format("unknown key '{}'; etc/tierhub.yaml lists all keys", key));
    if (!item.second.IsScalar())
      return at(item.second, path, fmt::format("'{}' must be one value", key));
    if (auto set = setter->second(*this, item.second.Scalar()); !set)
      return at(item.second, path, key + ": " + set.error().text());
  }
  return {};
}

Result<void> Config::complete() {
  TRY_ASSIGN(archive, archive_folder(archive));
  TRY_ASSIGN(scratch, existing_folder("scratch", scratch));
  // A mount left behind by a crash cannot be resolved or looked at: the path is taken as it is.
  if (mount.empty())
    return Error(std::errc::invalid_argument, "no mount folder is given: use --mount DIR");
  mount = std::filesystem::absolute(mount).lexically_normal().string();
  while (mount.size() > 1 && mount.back() == '/') mount.pop_back();
  if (state.empty()) state = scratch + "/state";
  state = std::filesystem::absolute(state).lexically_normal().string();
  socket = std::filesystem::absolute(socket).lexically_normal().string();

  const auto refuse = [](const std::string& inner, const std::string& outer,
                         const std::string& why) {
    return Error(std::errc::invalid_argument,
                 fmt::format("{} is inside {}: {}", inner, outer, why));
  };
  if (is_inside(scratch, archive))
    return refuse("the scratch folder", "the archive",
                  "choose a folder on the SSD, outside the archive");
  if (is_inside(archive, scratch))
    return refuse("the archive", "the scratch folder",
                  "choose a folder on the SSD that holds nothing else");
  if (is_inside(state, archive))
    return refuse("the state folder", "the archive", "choose a folder on a local disk");
  if (is_inside(mount, archive)) return refuse("the mount", "the archive", "mount somewhere else");
  if (is_inside(mount, scratch))
    return refuse("the mount", "the scratch folder", "mount somewhere else");
  if (is_inside(archive, mount) || is_inside(scratch, mount) || is_inside(state, mount)) {
    return Error(
        std::errc::invalid_argument,
        "the mount would hide the archive, the scratch or the state folder: mount somewhere else");
  }
  TRY(check_writable("scratch", scratch));
  if (::geteuid() != 0 && (devices || set_user_id))
    return Error(std::errc::operation_not_permitted,
                 "only root can mount with --dev or --suid: run tierd as root, or without them");
  if (low_percent >= high_percent)
    return Error(std::errc::invalid_argument, "low_percent must be less than high_percent");
  if (chunk_bytes < 4096 || chunk_bytes % 4096 != 0 || chunk_bytes > (1u << 30)) {
    return Error(std::errc::invalid_argument,
                 "chunk_size must be a multiple of 4096 and at most 1GiB");
  }
  return {};
}

}  // namespace tierhub
