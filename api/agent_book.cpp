#include "api/agent_book.h"

#include <algorithm>

#include <fmt/format.h>

namespace tierhub::api {
namespace {

constexpr size_t kMostHostBytes = 255;
constexpr size_t kMostFolderBytes = 4'096;

Error malformed(std::string text) { return {std::errc::invalid_argument, std::move(text)}; }

bool is_host(std::string_view host) {
  return !host.empty() && host.size() <= kMostHostBytes &&
         std::all_of(host.begin(), host.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_' || c == ':';
         });
}

Result<void> check(const Agent& agent) {
  if (!is_host(agent.host)) return malformed("host must be the name of a host");
  if (agent.state != "watching" && agent.state != "waiting" && agent.state != "stopped")
    return malformed("state must be watching, waiting or stopped");
  const bool too_long =
      std::any_of(agent.folders.begin(), agent.folders.end(),
                  [](const std::string& folder) { return folder.size() > kMostFolderBytes; });
  if (agent.folders.size() > AgentBook::kMostFolders || too_long) {
    return malformed(fmt::format("folders can have at most {} paths of {} bytes each",
                                 AgentBook::kMostFolders, kMostFolderBytes));
  }
  return {};
}

bool has_ended(const Run& run) {
  return run.state == "done" || run.state == "failed" || run.state == "cancelled";
}

}  // namespace

bool AgentBook::is_gone(const Entry& entry, Now now) {
  return entry.agent.state == "stopped" || now.steady - entry.heard > kSilence;
}

// Forgets the gone agent that was silent longest, of the same user if he has too many.
void AgentBook::make_room(const Key& key, Now now) {
  const auto is_of_the_user = [&](const auto& entry) { return entry.first.second == key.second; };
  const auto of_the_user =
      static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(), is_of_the_user));
  const bool user_is_full = of_the_user >= (key.second == 0 ? kMostOfRoot : kMostOfAUser);
  if (!user_is_full && entries_.size() < kMost) return;
  auto oldest = entries_.end();
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if ((user_is_full && !is_of_the_user(*entry)) || !is_gone(entry->second, now)) continue;
    if (oldest == entries_.end() || entry->second.heard < oldest->second.heard) oldest = entry;
  }
  if (oldest != entries_.end()) entries_.erase(oldest);
}

Result<void> AgentBook::put(const Caller& caller, const Agent& agent, Now now) {
  TRY(check(agent));
  const Key key(agent.host, caller.uid);
  if (!entries_.contains(key)) {
    make_room(key, now);
    const auto of_the_user =
        static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
          return entry.first.second == caller.uid;
        }));
    if (entries_.size() >= kMost || of_the_user >= (caller.uid == 0 ? kMostOfRoot : kMostOfAUser))
      return Error(std::errc::resource_unavailable_try_again, "there are too many agents");
  }
  Entry& entry = entries_[key];
  entry = {agent, now.steady};
  entry.agent.uid = caller.uid;
  entry.agent.heard = now.wall;
  return {};
}

std::vector<Agent> AgentBook::list(const Caller& caller, Now now) const {
  std::vector<Agent> agents;
  for (const auto& [key, entry] : entries_) {
    if (caller.uid != 0 && key.second != 0 && key.second != caller.uid) continue;
    agents.push_back(entry.agent);
    agents.back().gone = is_gone(entry, now);
  }
  return agents;
}

std::optional<Timestamp> AgentBook::gone_since(const Run& run, Now now) const {
  if (run.agent.empty() || has_ended(run)) return std::nullopt;
  std::optional<Timestamp> since;
  for (const uint32_t user : {uint32_t{0}, run.uid}) {
    const auto found = entries_.find({run.agent, user});
    if (found == entries_.end()) continue;
    if (!is_gone(found->second, now)) return std::nullopt;
    since = std::max(since.value_or(found->second.agent.heard), found->second.agent.heard);
  }
  if (since) return since;
  if (now.steady - started_.steady <= kSilence) return std::nullopt;
  return started_.wall;
}

}  // namespace tierhub::api
