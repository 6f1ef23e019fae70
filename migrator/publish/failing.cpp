#include "migrator/publish/failing.h"

#include <vector>

#include "common/duration.h"
#include "common/health.h"
#include "common/log.h"

namespace tierhub {

std::optional<std::string> FailingFileSystems::failure_of(const Plan& plan) const {
  const auto found = failing_.find(plan.file_system);
  const bool unsettled = unsettled_.contains(plan.file_system);
  if (!unsettled && (found == failing_.end() || SteadyClock::now() >= found->second.until))
    return std::nullopt;
  // One that is full may still give up what was removed.
  const bool full = !unsettled && found->second.error.is(std::errc::no_space_on_device);
  if (full && plan.kind == Plan::Kind::remove) return std::nullopt;
  return reason_of(plan.file_system);
}

std::optional<std::string> FailingFileSystems::reason_of(const FileSystemId& file_system) const {
  const auto unsettled = unsettled_.find(file_system);
  if (unsettled != unsettled_.end()) return unsettled->second;
  const auto failing = failing_.find(file_system);
  return failing == failing_.end() ? std::nullopt : std::optional(failing->second.error.text());
}

void FailingFileSystems::note(const std::set<FileSystemId>& working,
                              const std::map<FileSystemId, Error>& failed) {
  for (const FileSystemId& id : working) {
    if (!failed.contains(id)) note_working(id);
  }
  for (const auto& [id, error] : failed) {
    const auto until = SteadyClock::now() + seconds(rest_s_);
    if (!failing_.contains(id)) {
      log::warning("nothing can be published to a file system of the archive: trying again",
                   {{"error", error.text()}, {"every_s", rest_s_}});
    }
    failing_.insert_or_assign(id, Failing{error, until});
    health().set(HealthPart::nested_publishing,
                 {"changes wait in a part of the archive", error.text()}, id);
  }
}

void FailingFileSystems::forget_old() {
  std::vector<FileSystemId> old;
  for (const auto& [id, failing] : failing_) {
    if (SteadyClock::now() > failing.until + seconds(2 * rest_s_)) old.push_back(id);
  }
  for (const FileSystemId& id : old) note_working(id);
}

void FailingFileSystems::set_unsettled(std::map<FileSystemId, std::string> unsettled) {
  for (const auto& [id, why] : unsettled) {
    if (unsettled_.contains(id)) continue;
    log::warning(
        "interrupted changes in a file system of the archive will be settled when it is back",
        {{"error", why}});
  }
  unsettled_ = std::move(unsettled);
  settle_again_ = SteadyClock::now() + seconds(rest_s_);
}

void FailingFileSystems::note_working(const FileSystemId& file_system) {
  if (failing_.erase(file_system) == 0) return;
  log::info("publishing to a file system of the archive again", {{"file_system", file_system}});
  health().clear(HealthPart::nested_publishing, file_system);
}

}  // namespace tierhub
