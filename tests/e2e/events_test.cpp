// What tierd says has happened, and to whom.
#include <algorithm>
#include <filesystem>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "common/run_as.h"
#include "tests/support/tier_fixture.h"

namespace tierhub::test::events_test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr uid_t kAda = 3001, kBob = 3002;

class Events : public TierTest {
 protected:
  void start() {
    tier.start();
    for (fs::path folder = tier.mount; folder.has_relative_path(); folder = folder.parent_path()) {
      std::error_code ignored;
      fs::permissions(folder, static_cast<fs::perms>(0711), fs::perm_options::add, ignored);
    }
    next_ = tier.client().events(std::nullopt, 0, milliseconds(0)).value().next;
  }
  // What comes until `is_last` is among it.
  std::vector<api::Event> hear(const std::function<bool(const api::Event&)>& is_last) {
    std::vector<api::Event> heard;
    eventually("the event comes", [&] {
      const auto list = tier.client().events(next_, 0, milliseconds(1'000)).value();
      EXPECT_FALSE(list.lost);
      next_ = list.next;
      heard.insert(heard.end(), list.events.begin(), list.events.end());
      return std::any_of(list.events.begin(), list.events.end(), is_last);
    });
    return heard;
  }
  // All that a user may hear of, each as "kind path state", in no order.
  std::set<std::string> heard_by(uid_t user, uint64_t since) {
    const std::string report = tier.folder("report") + std::to_string(user);
    const pid_t child = ::fork();
    if (child == 0) {
      const UniqueFd out(::open(report.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
      if (!become({user, user, {}})) ::_exit(2);
      const auto list = tier.client().events(since, 0, milliseconds(0));
      if (!list) ::_exit(3);
      std::string text;
      for (const api::Event& event : list->events)
        text += fmt::format("{} {} {}\n", event.kind, event.path, event.state);
      ::_exit(::write(out.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())
                  ? 0
                  : 4);
    }
    EXPECT_EQ(wait_for_exit(child, std::chrono::seconds(60)), 0);
    std::set<std::string> lines;
    const std::string text = read_file(report);
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = text.find('\n', begin);
      lines.insert(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return lines;
  }

  uint64_t next_ = 0;
};

bool is_residency_of(const api::Event& event, const std::string& path) {
  return event.kind == "residency" && event.path == path;
}

TEST_F(Events, AFetchAnEvictionAndAWriteAreHeardOf) {
  fs::create_directories(tier.in_archive("folder"));
  write_file(tier.in_archive("folder/a"), random_bytes(1 << 20, 3));
  start();
  const api::Prefetch fetched = tier.prefetch("/folder");
  const auto heard = hear([&](const api::Event& event) {
    return event.kind == "prefetch" && event.prefetch == fetched.id && event.state == "done";
  });
  EXPECT_TRUE(std::any_of(heard.begin(), heard.end(),
                          [](const auto& event) { return is_residency_of(event, "/folder"); }) ||
              !hear([](const auto& event) { return is_residency_of(event, "/folder"); }).empty());
  tier.evict("/folder");
  hear([](const auto& event) { return is_residency_of(event, "/folder"); });
  write_file(tier.in_mount("folder/new"), "content");
  const auto last = hear([](const auto& event) { return is_residency_of(event, "/folder"); });
  EXPECT_NE(last.back().text, "");
  EXPECT_GT(last.back().at.ns, 0);
}

TEST_F(Events, AreOneASecondForAFolder) {
  fs::create_directories(tier.in_archive("folder"));
  start();
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 300; ++i) write_file(tier.in_mount(fmt::format("folder/{}", i)), "content");
  const auto heard = hear([](const auto& event) { return is_residency_of(event, "/folder"); });
  const auto all = tier.client().events(std::nullopt, 1'000, milliseconds(0)).value().events;
  const auto count = std::count_if(
      all.begin(), all.end(), [](const auto& event) { return is_residency_of(event, "/folder"); });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  EXPECT_LE(static_cast<double>(count), took.count() + 2);
}

TEST_F(Events, NobodyHearsOfWhatIsPrivateToOthers) {
  for (const auto& [name, owner] : {std::pair{"ada", kAda}, std::pair{"bob", kBob}}) {
    fs::create_directories(tier.in_archive(name));
    write_file(tier.in_archive(std::string(name) + "/scan"), random_bytes(1 << 20, 3));
    ASSERT_EQ(::chown(tier.in_archive(name).c_str(), owner, owner), 0);
    fs::permissions(tier.in_archive(name), fs::perms(0700));
  }
  fs::create_directories(tier.in_archive("shared"));
  write_file(tier.in_archive("shared/scan"), random_bytes(1 << 20, 3));
  start();
  const uint64_t since = next_;
  for (const char* path : {"/ada", "/bob", "/shared"}) tier.prefetch(path);
  std::set<std::string> wanted = {"/ada", "/bob", "/shared"};
  hear([&](const api::Event& event) {
    if (event.kind == "residency") wanted.erase(event.path);
    return wanted.empty();
  });
  const std::set<std::string> ada = heard_by(kAda, since), bob = heard_by(kBob, since);
  EXPECT_EQ(ada, (std::set<std::string>{"residency /ada ", "residency /shared "}));
  EXPECT_EQ(bob, (std::set<std::string>{"residency /bob ", "residency /shared "}))
      << "and of root's prefetches they hear nothing";
}

TEST_F(Events, WhatIsTooLongAgoIsLost) {
  start();
  EXPECT_TRUE(tier.client().events(1, 0, milliseconds(0)).value().lost);
  EXPECT_TRUE(tier.client().events(next_ + 1'000, 0, milliseconds(0)).value().lost);
  EXPECT_FALSE(tier.client().events(next_, 0, milliseconds(0)).value().lost);
  tier.stop();
  tier.start();
  EXPECT_TRUE(tier.client().events(next_, 0, milliseconds(0)).value().lost) << "a new tierd";
}

TEST_F(Events, AWaitEndsWhenTierdStops) {
  start();
  std::jthread waiting([&] {
    for (int i = 0; i < 3; ++i)
      (void)tier.client().within(std::chrono::seconds(30)).events(next_, 0, milliseconds(20'000));
  });
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_LT(tier.stop(), std::chrono::seconds(9));
}

}  // namespace
}  // namespace tierhub::test::events_test
