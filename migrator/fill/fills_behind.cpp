#include "migrator/fill/fills_behind.h"

#include <algorithm>

namespace tierhub {

void FillsBehind::answer_ended(Time now) {
  --answers_;
  last_answer_ = now;
}

void FillsBehind::add(const Chunks& chunks, Time now) {
  const auto known = std::ranges::find(waiting_, chunks, &Waiting::chunks);
  if (known == waiting_.end()) {
    waiting_.push_back({chunks, now});
    return;
  }
  if (known->wanted) return;
  known->wanted = true;
  std::rotate(waiting_.begin() + static_cast<std::ptrdiff_t>(wanted_), known, known + 1);
  ++wanted_;
}

FillsBehind::Time FillsBehind::due(const Waiting& waiting) const {
  if (waiting.wanted || waiting_.size() > kMostWaiting) return waiting.added;
  const Time latest = waiting.added + kLongestWait;
  return answers_ > 0 ? latest : std::min(latest, std::max(waiting.added, last_answer_) + kQuiet);
}

std::optional<FillsBehind::Chunks> FillsBehind::take(Time now) {
  const auto at = next();
  if (!at || *at > now) return std::nullopt;
  const Chunks chunks = waiting_.front().chunks;
  if (wanted_ > 0) --wanted_;
  waiting_.pop_front();
  ++under_way_;
  return chunks;
}

std::optional<FillsBehind::Time> FillsBehind::next() const {
  if (waiting_.empty()) return std::nullopt;
  const Waiting& first = waiting_.front();
  const bool too_many = waiting_.size() > kMostWaiting;
  if (!first.wanted && !too_many && under_way_ >= kMostUnderWay) return std::nullopt;
  return due(first);
}

}  // namespace tierhub
