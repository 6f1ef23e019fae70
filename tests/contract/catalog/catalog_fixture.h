// A catalog on any store, and how it is closed and opened again.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "catalog/catalog.h"
#include "tests/contract/catalog/backend.h"

namespace tierhub {

inline constexpr InodeNumber kFolder{100};
inline constexpr InodeNumber kFile{101};

// The value, or a failure of the test and a default.
template <class T>
T value_of(Result<T> result) {
  EXPECT_TRUE(result.has_value()) << result.error().text();
  return result.has_value() ? *std::move(result) : T{};
}

class CatalogContract : public ::testing::TestWithParam<BackendKind> {
 protected:
  void SetUp() override {
    backend_ = GetParam().make();
    reopen();
  }

  // As another process would, after this one was killed. The same boot unless one is given.
  void reopen(const std::string& boot_id = "boot-1") {
    catalog_.reset();
    auto opened = try_open(boot_id);
    ASSERT_TRUE(opened.has_value()) << opened.error().text();
    catalog_ = *std::move(opened);
  }

  Result<std::unique_ptr<Catalog>> try_open(const std::string& boot_id = "boot-1") {
    TRY_ASSIGN(auto store, backend_->open());
    return Catalog::open(std::move(store), {.chunk_bytes = 8192, .boot_id = boot_id});
  }

  // Changes the store behind the catalog's back, while nobody has it open.
  void write_raw(const WriteSet& changes) {
    catalog_.reset();
    auto store = backend_->open();
    ASSERT_TRUE(store.has_value()) << store.error().text();
    ASSERT_TRUE((*store)->commit(changes, Durability::synced).has_value());
  }

  void commit(const Batch& batch) {
    const auto result = catalog_->commit(batch);
    ASSERT_TRUE(result.has_value()) << result.error().text();
  }

  void put_entry(InodeNumber parent, std::string_view name, InodeNumber inode) {
    Batch batch;
    batch.put_entry(parent, name, inode);
    commit(batch);
  }

  std::vector<std::string> list_names(InodeNumber parent, size_t page) {
    std::vector<std::string> names;
    uint64_t cookie = 0;
    std::string name;
    for (;;) {
      const auto entries = value_of(catalog_->list(parent, cookie, name, page));
      if (entries.empty()) return names;
      EXPECT_LE(entries.size(), page);
      for (const auto& entry : entries) names.push_back(entry.name);
      cookie = entries.back().cookie;
      name = entries.back().name;
    }
  }

  std::unique_ptr<StoreBackend> backend_;
  std::unique_ptr<Catalog> catalog_;
};

inline InodeRecord some_file() {
  InodeRecord record;
  record.attributes = {FileKind::file, 0640, 1000, 100, 0, 12345, {1}, {2}, {3}, {4}};
  record.nlink = 2;
  record.generation = Generation{7};
  record.writing = true;
  record.content = Content::unknown;
  record.archived = true;
  record.has_object = true;
  record.archive_limit_bytes = 99;
  record.pending_truncate = PendingTruncate{5, 6};
  return record;
}

inline ArchiveVersion some_version() {
  ArchiveVersion version;
  version.identity.bytes = std::string("handle\0x", 8);
  version.attributes = some_file().attributes;
  version.nlink = 3;
  version.device = 42;
  version.content_ctime = Timestamp{43};
  return version;
}

}  // namespace tierhub
