// The fourth step of a wave: one rename for each action, which checks what it displaces. What users
// removed goes on to the trash; if that does not take it, the act is undone.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "common/result.h"
#include "migrator/publish/action.h"

namespace tierhub {

// Of one wave.
class Acting {
 public:
  explicit Acting(const PublishContext& context) : context_(context) {}

  // In lanes. What is found out is in the actions.
  void run(std::span<Action> actions) const;

 private:
  void allow_one_of_several(Action& action) const;
  void place_group(std::span<Action*> group) const;
  void act_in_turn(const std::vector<Action*>& actions) const;
  Result<ArchiveVersion> act_on_target(Action& action) const;
  Result<ArchiveVersion> move(Action& action) const;
  Result<ArchiveVersion> set_attributes(const Action& action) const;
  void finish(Action& action, Result<ArchiveVersion> done) const;
  void take_back(Action& action, const Displaced& displaced, const Error& why) const;
  void link_further(Action& action) const;

  const PublishContext& context_;
};

}  // namespace tierhub
