// Links that show one image to anybody who has them, read only, for a while: napari, neuroglancer or
// zarr-python on another machine, a colleague without an account.
//
// A share is the right of the person who made it: their worker answers, so what they may not read any
// more is not shared any more. It lives in memory, and ends when it expires, when it is taken back,
// or when that person has no session any more.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/mutex.h"
#include "common/result.h"
#include "hub/front/sessions.h"

namespace tierhub::hub {

struct Share {
  std::string token;
  Person person;
  std::string path;  // of the image, in the namespace
  Timestamp expires;
};

// Any thread.
class Shares {
 public:
  static constexpr size_t kMostOfAPerson = 100;
  static constexpr std::chrono::hours kLongest{31 * 24};

  // An error if `path` is no absolute path, or if the person has too many.
  Result<Share> add(const Person& person, const std::string& path, std::chrono::seconds life);
  // Nothing if it has expired.
  std::optional<Share> find(std::string_view token);
  // Those of a person, the one that expires first first.
  std::vector<Share> of(uint32_t uid);
  // False if the person has no such share.
  bool end(uint32_t uid, std::string_view token);
  void end_all(uint32_t uid);

 private:
  void forget_expired() REQUIRES(mutex_);

  Mutex mutex_;
  // By the first half of the token, as in Sessions.
  std::map<std::string, Share> shares_ GUARDED_BY(mutex_);
};

// Of "/share/TOKEN/zarr/v2/0/.zarray": what a worker is asked for. Nothing if it is no share's, or if
// the rest is no key of a Zarr image or of its labels: a link to an image shows nothing else below
// that path.
struct ShareTarget {
  std::string token;
  std::string version;  // "v2", "v3"
  std::string key;      // "0/.zarray"
};
std::optional<ShareTarget> parse_share_target(std::string_view path);

}  // namespace tierhub::hub
