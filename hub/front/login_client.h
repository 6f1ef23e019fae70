// Asks the process that is root (login/login.h) to let people in and to start their workers.
#pragma once

#include <atomic>
#include <map>
#include <thread>

#include "common/mutex.h"
#include "common/unique_fd.h"
#include "hub/front/sign_in.h"
#include "hub/front/workers.h"
#include "hub/login/messages.h"

namespace tierhub::hub {

// Any thread; each call waits for its answer.
class LoginClient final : public SignIn, public WorkerStarter {
 public:
  explicit LoginClient(UniqueFd login);
  ~LoginClient() override;

  Result<Step> begin(const std::string& user, const std::string& machine) override;
  Result<Step> answer(const std::string& attempt, const std::string& text) override;
  Result<UniqueFd> start(const Person& person, UniqueFd listener) override;
  void end(uint32_t uid) override;

  // The other process has ended: nobody can sign in any more.
  bool is_gone() const { return gone_.load(); }

 private:
  struct Reply {
    Message message;
    UniqueFd fd;
  };
  // The reply that has `name` (of an attempt or a call).
  Result<Reply> ask(const std::string& name, const Message& message, UniqueFd fd = UniqueFd());
  Result<Step> step(const std::string& attempt, const Message& message);
  void listen();

  const UniqueFd login_;
  std::atomic<bool> gone_ = false;
  Mutex sending_;
  Mutex mutex_;
  ConditionVariable replied_;
  std::map<std::string, Reply> replies_ GUARDED_BY(mutex_);  // that somebody waits for
  std::map<std::string, bool> asked_ GUARDED_BY(mutex_);
  std::jthread listener_;
};

}  // namespace tierhub::hub
