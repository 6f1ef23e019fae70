// A folder with images, their routes, and tiers that a test moves bytes in.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/guarded.h"
#include "formats/json.h"
#include "hub/images/routes.h"
#include "hub/images/tiers.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/pixels/samples.h"

namespace tierhub::hub {

// What tierd would answer. Everything is hot, but for the files that were made cold.
class FakeTierd {
 public:
  void make_cold(const std::string& path) {
    state_.with([&](State& state) { state.cold.insert(path); });
  }
  void make_hot() {
    state_.with([](State& state) { state.cold.clear(); });
  }
  // The prefetches that were asked for, with what the test says of them.
  std::vector<api::PrefetchRequest> requests() const {
    return state_.with([](const State& state) { return state.requests; });
  }
  void set_prefetch(const api::Prefetch& prefetch) {
    state_.with([&](State& state) { state.prefetches.at(prefetch.id - 1) = prefetch; });
  }
  std::vector<uint64_t> cancelled() const {
    return state_.with([](const State& state) { return state.cancelled; });
  }
  // What is known of writes to a file: none to all others.
  void set_writes(const std::string& path, const FileWrites& writes) {
    state_.with([&](State& state) { state.writes[path] = writes; });
  }
  // Questions about where bytes are, not those about writes alone.
  size_t residency_calls() const {
    return state_.with([](const State& state) { return state.residency_calls; });
  }
  std::unique_ptr<TierCalls> calls() { return std::make_unique<Calls>(state_); }

 private:
  struct State {
    std::set<std::string> cold;
    std::vector<api::PrefetchRequest> requests;
    std::vector<api::Prefetch> prefetches;
    std::vector<uint64_t> cancelled;
    std::map<std::string, FileWrites> writes;
    size_t residency_calls = 0;
  };

  class Calls : public TierCalls {
   public:
    explicit Calls(Guarded<State>& state) : state_(state) {}
    Result<api::ResidencyList> residencies(const api::ResidencyRequest& request) const override {
      return state_.with([&](State& state) {
        const bool about_writes = std::all_of(
            request.files.begin(), request.files.end(), [](const api::FileRanges& file) {
              return file.ranges.size() == 1 && file.ranges.front().size() == 0;
            });
        if (!about_writes) ++state.residency_calls;
        api::ResidencyList list;
        for (const api::FileRanges& file : request.files) {
          api::FileResidency one;
          one.path = file.path;
          for (const ByteRange& range : file.ranges) one.bytes += range.size();
          if (file.ranges.empty()) one.bytes = 1'000'000;
          const FileWrites& writes = state.writes[file.path];
          one.generation = writes.generation;
          one.writing = writes.is_open;
          one.resident = state.cold.contains(file.path) ? 0 : one.bytes;
          list.files.push_back(one);
        }
        return list;
      });
    }
    Result<api::Prefetch> start_prefetch(const api::PrefetchRequest& request) const override {
      return state_.with([&](State& state) {
        api::Prefetch prefetch;
        prefetch.id = state.prefetches.size() + 1;
        prefetch.state = "running";
        state.prefetches.push_back(prefetch);
        state.requests.push_back(request);
        return prefetch;
      });
    }
    Result<std::vector<api::Prefetch>> prefetches() const override {
      return state_.with([](const State& state) { return state.prefetches; });
    }
    Result<api::Prefetch> cancel_prefetch(uint64_t id) const override {
      return state_.with([&](State& state) {
        state.cancelled.push_back(id);
        return state.prefetches.at(id - 1);
      });
    }
    Result<api::Listing> list_totals(const std::string& path, size_t) const override {
      api::Listing listing;
      api::Entry entry;
      entry.path = path;
      entry.kind = "file";
      entry.size = 10;
      entry.resident = state_.with([&](State& s) { return s.cold.contains(path); }) ? 4 : 10;
      listing.entries.push_back(entry);
      // What is in the folder and cold.
      state_.with([&](State& state) {
        for (const std::string& cold : state.cold) {
          if (cold.substr(0, cold.rfind('/')) != path) continue;
          entry.path = cold;
          entry.resident = 0;
          listing.entries.push_back(entry);
        }
      });
      return listing;
    }

   private:
    Guarded<State>& state_;
  };

  mutable Guarded<State> state_;
};

// A folder of images.
class HubFolder {
 public:
  const std::string& path() const { return folder_.path(); }
  // Writes the files of an image into a folder inside, or into the folder itself, and waits until they
  // are settled.
  void write(const std::string& folder, const test::Files& files) const;
  // Waits until no file has changed a moment ago.
  void settle() const;

 private:
  TemporaryDirectory folder_;
};

inline http::Response get(ImageRoutes& routes, const std::string& target,
                          const http::Headers& headers = {}) {
  return routes.handle({"GET", target, {}, headers});
}
inline std::string body_of(const http::Response& response) {
  const auto* text = std::get_if<std::string>(&response.body);
  return text == nullptr ? "" : *text;
}
inline formats::Json json_of(const http::Response& response) {
  return formats::Json::parse(body_of(response), nullptr, false);
}
std::string header_of(const http::Response& response, const std::string& name);

// An OME-Zarr 0.4 image of one level of uint16, without compressor: the voxels are voxel_at().
test::Files zarr_image(const formats::Shape& shape, const formats::Shape& chunk);

}  // namespace tierhub::hub
