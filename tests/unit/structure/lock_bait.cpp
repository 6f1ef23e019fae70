// Does on purpose what the check of locks must refuse: `scripts/test.sh locks` compiles it with
// `-Xclang -verify`, which fails unless clang reports exactly the errors named here.
#include "common/guarded.h"
#include "common/mutex.h"

namespace {

class Bait {
 public:
  int read_without_lock() const {
    return value_;  // expected-error {{reading variable 'value_' requires holding mutex 'mutex_'}}
  }
  void write_after_unlock() {
    tierhub::MutexLock lock(mutex_);
    value_ = 1;
    lock.unlock();
    value_ = 2;  // expected-error {{writing variable 'value_' requires holding mutex 'mutex_'}}
  }
  void call_without_lock() {
    add();  // expected-error {{calling function 'add' requires holding mutex 'mutex_'}}
  }
  void wait_without_lock() {
    changed_.wait(mutex_);  // expected-error {{requires holding mutex 'mutex_'}}
  }
  void wait_with_another_lock() {
    const tierhub::MutexLock lock(other_mutex_);
    // expected-error@+1 {{requires holding mutex 'mutex_'}}
    changed_.wait(mutex_, [this]() REQUIRES(mutex_) { return value_ > 0; });
  }
  void look_in_a_predicate() {
    const tierhub::MutexLock lock(mutex_);
    // expected-error@+1 {{reading variable 'value_' requires holding mutex 'mutex_'}}
    changed_.wait(mutex_, [this] { return value_ > 0; });
  }
  void lock_twice() {
    const tierhub::MutexLock lock(mutex_);   // expected-note {{mutex acquired here}}
    const tierhub::MutexLock again(mutex_);  // expected-error {{'mutex_' that is already held}}
  }

  void as_it_should_be() {
    tierhub::MutexLock lock(mutex_);
    changed_.wait(mutex_, [this]() REQUIRES(mutex_) { return value_ > 0; });
    add();
    lock.unlock();
    count_.with([](int& count) { ++count; });
    lock.lock();
    add();
  }

 private:
  void add() REQUIRES(mutex_) { ++value_; }

  mutable tierhub::Mutex mutex_;
  tierhub::Mutex other_mutex_;
  tierhub::ConditionVariable changed_;
  int value_ GUARDED_BY(mutex_) = 0;
  tierhub::Guarded<int> count_;
};

}  // namespace

int main() { Bait().as_it_should_be(); }
