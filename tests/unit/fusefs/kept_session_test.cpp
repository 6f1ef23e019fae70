#include "fusefs/kernel/kept_session.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <gtest/gtest.h>

namespace tierhub {
namespace {

const KeptSession::Place kPlace{"/mnt/data", "0:77"};

UniqueFd memory_of(const KeptSession& session) {
  return UniqueFd(::fcntl(session.memory_fd(), F_DUPFD_CLOEXEC, 0));
}

std::unique_ptr<KeptSession> adopt(const KeptSession& session) {
  auto adopted = KeptSession::adopt(memory_of(session));
  EXPECT_TRUE(adopted) << adopted.error().text();
  return std::move(adopted).value();
}

KeptHandle handle_of(uint64_t inode, uint64_t unique) {
  KeptHandle handle;
  handle.inode = InodeNumber(inode);
  handle.opened.handle.writable = true;
  handle.unique = unique;
  return handle;
}

TEST(KeptSession, LeavesPlaceAndOpenFilesToTheNextProcess) {
  const auto first = KeptSession::create(kPlace).value();
  const uint64_t fh = first->add(handle_of(12, 100)).value();
  const auto second = adopt(*first);
  EXPECT_EQ(second->start(), 2u);
  EXPECT_EQ(second->id(), first->id());
  EXPECT_EQ(second->place().mount_point, kPlace.mount_point);
  EXPECT_EQ(second->place().device, kPlace.device);
  const auto granted = second->granted(100);
  ASSERT_TRUE(granted);
  EXPECT_EQ(granted->first, fh);
  EXPECT_EQ(granted->second.inode, InodeNumber(12));
  EXPECT_TRUE(granted->second.opened.handle.writable);
}

TEST(KeptSession, ReleasesAHandleOnce) {
  const auto session = KeptSession::create(kPlace).value();
  const uint64_t fh = session->add(handle_of(12, 100)).value();
  EXPECT_TRUE(session->begin_release(fh));
  EXPECT_FALSE(session->begin_release(fh));
  session->end_release(fh);
  EXPECT_NE(session->add(handle_of(13, 101)).value(), fh);
  EXPECT_FALSE(session->begin_release(fh)) << "its place has another user now";
}

TEST(KeptSession, TellsTheNextProcessWhatWasHalfReleased) {
  const auto first = KeptSession::create(kPlace).value();
  EXPECT_TRUE(first->begin_release(first->add(handle_of(12, 100)).value()));
  const auto second = adopt(*first);
  EXPECT_TRUE(second->adopted().handles.empty());
  ASSERT_EQ(second->adopted().half_released.size(), 1u);
  EXPECT_EQ(second->adopted().half_released[0].inode, InodeNumber(12));
}

TEST(KeptSession, ALookAtThePlaceChangesNothing) {
  const auto first = KeptSession::create(kPlace).value();
  ASSERT_TRUE(first->begin_release(first->add(handle_of(12, 100)).value()));
  const auto place = KeptSession::place_in(memory_of(*first));
  ASSERT_TRUE(place);
  EXPECT_EQ(place->mount_point, kPlace.mount_point);
  const auto second = adopt(*first);
  EXPECT_EQ(second->start(), 2u);
  EXPECT_EQ(second->adopted().half_released.size(), 1u);
}

TEST(KeptSession, RefusesMemoryOfAnotherLayout) {
  UniqueFd memory(::memfd_create("test", MFD_CLOEXEC));
  const auto adopted = KeptSession::adopt(std::move(memory));
  ASSERT_FALSE(adopted);
  EXPECT_TRUE(adopted.error().is(std::errc::not_supported));
}

}  // namespace
}  // namespace tierhub
