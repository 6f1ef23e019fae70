// Whether a node of a cluster can do tasks of a run: the first step in each holder is `tieragent --check-node`.
//
// 1. In each place (a folder in the mount, and {work}) the runner makes a folder with a file `here`, which holds a nonce, and starts
//    the step with a NodeOrder on its standard input.
// 2. The node looks at its user, its programs, its /tmp, and reads `here` in each place.
// 3. For each place the node writes a file `there` and says "wrote". The runner must see it by name and in the listing within
//    kSeenWithin. Then it writes `back` and says "back"; the node must see that file likewise.
// 4. The node reads up to kReadBytes of an input, if that is a file, and says what it found: "good", or "bad" with a sentence that
//    says what to do. "unreadable", and where, is bad only if the runner can read the input there: else it is no fault of the node.
// 5. What is bad is said of the first thing that is. A check that ends without a word, or not within kCheckPatience, or that the runner
//    cannot go on with, is no verdict: Slurm took the node back, or did not answer. The runner may look again.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"

namespace tierhub::compute {

inline constexpr std::chrono::milliseconds kSeenWithin{1000};
inline constexpr uint64_t kReadBytes = uint64_t{64} << 20;
inline constexpr std::chrono::seconds kCheckPatience{60};

struct NodeOrder {
  // A program of a task, as the workflow names it.
  struct Program {
    std::string name;
    std::string search_path;
    std::string cwd;
    bool operator==(const Program&) const = default;
  };
  std::string nonce;
  std::string version;  // of this program
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups = {};  // that it must have
  std::string user = {};              // the name of uid; empty: it has none
  std::vector<std::string> places = {};
  std::vector<Program> programs = {};
  std::string setup = {};        // as StepOrder::setup
  std::string read = {};         // a file; empty: none
  uint64_t least_read_rate = 0;  // bytes a second; 0: any
  uint64_t least_free_tmp = 0;
};
std::string to_json(const NodeOrder& order);  // one line
Result<NodeOrder> parse_node_order(std::string_view json);

// A line of the node.
struct NodeWord {
  enum class Kind { wrote, good, bad, unreadable } kind = Kind::bad;
  size_t place = 0;         // of `wrote`
  std::string reason = {};  // of `bad` and `unreadable`: a sentence without the node's name
  Timestamp now = {};       // its clock, but in `wrote`
  uint64_t read_bytes = 0;  // of `good` and `unreadable`
  double read_s = 0;
};
std::string to_json(const NodeWord& word);  // one line
std::optional<NodeWord> parse_node_word(std::string_view json);

// The folder of a check, in a place.
std::string check_folder(const std::string& place, std::string_view nonce);

// Removes what checks of an earlier runner left in these places.
void remove_old_checks(const std::vector<std::string>& places);

// By name and in the listing.
bool is_seen(const std::string& folder, const std::string& file, std::string_view content);

// The node's part: the order comes on standard input. Returns the exit code: 0 if all is well.
int check_node();

// The runner's part. One thread; waits for nothing.
class NodeCheck {
 public:
  // Makes the folders; leaves none if it fails.
  static Result<NodeCheck> begin(NodeOrder order);
  // Removes them.
  void end() const;

  const NodeOrder& order() const { return order_; }
  // What the node wrote; returns what to write to it.
  std::string hear(std::string_view bytes);
  // Looks for what is waited for; to be called often. Returns what to write to the node.
  std::string look();
  // Its step has ended, with this message.
  void step_ended(const std::string& how);

  bool is_over() const { return is_over_; }
  // Once it is over: what is wrong; empty: nothing.
  const std::string& fault() const { return fault_; }
  // Nothing is known of the node; fault() says why.
  bool is_undecided() const { return is_undecided_; }
  double read_rate() const { return read_rate_; }  // bytes a second; 0: not measured

 private:
  explicit NodeCheck(NodeOrder order);
  void take(const NodeWord& word);
  void fail(std::string fault);
  void leave_undecided(std::string why);

  NodeOrder order_;
  Timestamp begun_;
  SteadyClock::time_point give_up_at_;
  std::string partial_;
  std::optional<size_t> sought_;  // the place in which the node's file is looked for
  SteadyClock::time_point seek_until_;
  bool is_over_ = false;
  bool is_undecided_ = false;
  std::string fault_;
  double read_rate_ = 0;
};

}  // namespace tierhub::compute
