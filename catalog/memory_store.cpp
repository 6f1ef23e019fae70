#include <map>
#include <memory>

#include "catalog/key_value_store.h"
#include "common/mutex.h"

namespace tierhub {
namespace {

using Table = std::map<std::string, std::string, std::less<>>;

// A table that a running scan holds is copied before it is changed.
struct Tables {
  Tables() {
    for (auto& table : tables) table = std::make_shared<Table>();
  }
  Tables(const Tables& other) { *this = other; }
  Tables& operator=(const Tables& other) {
    for (size_t i = 0; i < tables.size(); ++i)
      tables[i] = std::make_shared<Table>(*other.tables[i]);
    return *this;
  }
  const std::shared_ptr<Table>& of(Family family) const {
    return tables[static_cast<size_t>(family)];
  }
  Table& writable(Family family) {
    auto& table = tables[static_cast<size_t>(family)];
    if (table.use_count() > 1) table = std::make_shared<Table>(*table);
    return *table;
  }
  std::array<std::shared_ptr<Table>, kFamilyNames.size()> tables;
};

void apply(const WriteSet& changes, Tables& tables) {
  for (const auto& change : changes.changes()) {
    Table& table = tables.writable(change.family);
    if (change.value) {
      table.insert_or_assign(change.key, *change.value);
    } else {
      table.erase(change.key);
    }
  }
}

// What all handles of one store share.
struct Data {
  Mutex mutex;
  Tables visible GUARDED_BY(mutex);
  Tables durable GUARDED_BY(mutex);
  std::vector<WriteSet> unsynced GUARDED_BY(mutex);  // in `visible`, not yet in `durable`
};

class MemoryStoreHandle final : public MemoryStore {
 public:
  explicit MemoryStoreHandle(std::shared_ptr<Data> data) : data_(std::move(data)) {}

  Result<std::optional<std::string>> get(Family family, std::string_view key) const override {
    MutexLock lock(data_->mutex);
    const Table& table = *data_->visible.of(family);
    const auto found = table.find(key);
    if (found == table.end()) return std::nullopt;
    return found->second;
  }

  Result<NextKey> next_key(Family family, std::string_view begin, uint64_t) const override {
    MutexLock lock(data_->mutex);
    const Table& table = *data_->visible.of(family);
    const auto found = table.lower_bound(begin);
    return found == table.end() ? NextKey{} : NextKey{found->first};
  }

  Result<void> scan(
      Family family, std::string_view begin, std::string_view end,
      const std::function<bool(std::string_view, std::string_view)>& visit) const override {
    std::shared_ptr<const Table> snapshot;
    {
      MutexLock lock(data_->mutex);
      snapshot = data_->visible.of(family);
    }
    // The visitor runs without the lock, and may commit.
    for (auto it = snapshot->lower_bound(begin); it != snapshot->end(); ++it) {
      if ((!end.empty() && it->first >= end) || !visit(it->first, it->second)) break;
    }
    // Let go under the lock, which orders what was read here before what a writer changes next.
    MutexLock lock(data_->mutex);
    snapshot.reset();
    return {};
  }

  Result<void> commit(const WriteSet& changes, Durability durability) override {
    MutexLock lock(data_->mutex);
    apply(changes, data_->visible);
    data_->unsynced.push_back(changes);
    if (durability == Durability::synced) sync_locked();
    return {};
  }

  Result<void> sync() override {
    MutexLock lock(data_->mutex);
    sync_locked();
    return {};
  }

  Result<void> checkpoint(const std::string&) override {
    return Error(std::errc::not_supported, "a store in memory has no files");
  }

  std::unique_ptr<MemoryStore> another_handle() override {
    return std::make_unique<MemoryStoreHandle>(data_);
  }

  void lose_power() override {
    MutexLock lock(data_->mutex);
    data_->visible = data_->durable;
    data_->unsynced.clear();
  }

 private:
  void sync_locked() REQUIRES(data_->mutex) {
    for (const WriteSet& changes : data_->unsynced) apply(changes, data_->durable);
    data_->unsynced.clear();
  }

  const std::shared_ptr<Data> data_;
};

}  // namespace

std::unique_ptr<MemoryStore> MemoryStore::create() {
  return std::make_unique<MemoryStoreHandle>(std::make_shared<Data>());
}

}  // namespace tierhub
