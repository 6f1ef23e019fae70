// Calls to the archive helper, with time limits. One thread owns the helper process and its socket;
// it never waits for the helper longer than until the next deadline.
//
// A call past its time limit fails with errc::timed_out, and its slot in the helper is written off
// until an answer comes after all. If nothing at all was heard from the helper since that call was
// sent, the archive is hung: calls fail at once, and a probe every few seconds finds out whether it
// is back. A helper that stays hung is replaced. One that died is restarted at once, with growing
// backoff if it keeps dying; its calls fail with errc::not_connected.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/frame_socket.h"
#include "common/mutex.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "storage/helper/helper.h"
#include "storage/helper/process.h"
#include "storage/helper/wire.h"

namespace tierhub {

enum class ArchiveState {
  online,
  offline,  // not mounted, or another archive is
  hung,     // it does not answer
};

struct HelperConnectionOptions {
  std::string program;
  ArchiveHelperOptions helper;
  std::chrono::milliseconds time_limit{30'000};
  std::chrono::milliseconds probe_interval{5'000};
  // How long an archive may be hung before its helper is replaced.
  std::chrono::milliseconds replace_after{60'000};
};

class HelperConnection {
 public:
  // What a call occupies in the helper: a thread, or a place among the files under way. Answers
  // have places of their own, and are sent first.
  enum class Kind { answer, slot, fill };
  using Done = std::function<void(Result<std::string>)>;

  struct Call {
    std::string body;           // without the number
    std::vector<UniqueFd> fds;  // at most kMaxFrameFds
    Kind kind = Kind::slot;
    std::chrono::milliseconds time_limit{0};  // since the call last got on
    Done done;  // with the reply, without the number; on the link's thread; must not block
  };

  // Starts the helper, and fails if that is not possible. Waits a little for the first probe, so
  // that state() is meaningful.
  static Result<std::unique_ptr<HelperConnection>> start(HelperConnectionOptions options);
  // Fails all calls with errc::operation_canceled. Returns soon, whatever the helper does.
  ~HelperConnection();

  // Fails all calls, now and from now on, with errc::operation_canceled. Returns at once. Any
  // thread.
  void close();

  // Any thread.
  void submit(Call call);
  ArchiveState state() const;
  // none: no helper runs now.
  std::optional<pid_t> helper_pid() const;

 private:
  using Time = SteadyClock::time_point;
  enum class Purpose { call, probe };

  struct Pending {
    Call call;
    Purpose purpose = Purpose::call;
    Time since;  // it was submitted, or sent
    Time deadline;
  };

  HelperConnection(HelperConnectionOptions options, UniqueFd wake);

  std::vector<std::string> arguments() const;
  void wake_up() const;

  // All below: the link's thread.
  void run();
  void wait();
  void take_inbox();
  void send_waiting();
  void send(Pending pending);
  void flush();
  void receive();
  void take_frame(const std::string& body);
  void heard();
  void expire_under_way(Time now);
  void expire_waiting(Time now);
  void probe(Time now);
  void probed(const Result<std::string>& reply);
  void manage_helper(Time now);
  void start_helper();
  void lose_helper(const Error& reason);
  void fail_all(const Error& reason);
  void fail_waiting(const Error& reason);
  void become_hung(Time now);
  // `reason`: why it is offline, if more is known.
  void set_state(ArchiveState state, const std::string& reason = "");
  size_t occupied(Kind kind) const;
  size_t limit(Kind kind) const;
  Time deadline_of_waiting(const Pending& pending) const;
  int poll_timeout_ms(Time now) const;

  const HelperConnectionOptions options_;
  UniqueFd wake_;  // an eventfd

  mutable Mutex mutex_;
  std::vector<Call> inbox_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  ArchiveState state_ GUARDED_BY(mutex_) = ArchiveState::offline;
  std::string reason_ GUARDED_BY(mutex_);
  bool probed_once_ GUARDED_BY(mutex_) = false;
  ConditionVariable probed_changed_;
  pid_t pid_ GUARDED_BY(mutex_) = -1;

  std::optional<HelperProcess> helper_;
  std::vector<pid_t> left_behind_;  // killed, but stuck in a dead mount
  FrameReader reader_;
  std::list<std::pair<uint64_t, OutgoingFrame>> outgoing_;
  std::map<Kind, std::deque<Pending>> waiting_;
  std::map<uint64_t, Pending> under_way_;
  struct WrittenOff {
    Kind kind;
    Purpose purpose;
  };
  std::map<uint64_t, WrittenOff> written_off_;
  uint64_t next_number_ = kProgressNumber + 1;
  std::string id_;  // of the archive, once known
  Time last_heard_;
  Time next_probe_;
  Time hung_since_;
  Time started_;
  Time restart_at_;
  std::chrono::milliseconds restart_delay_{0};
  std::jthread thread_;  // last: uses all of the above
};

}  // namespace tierhub
