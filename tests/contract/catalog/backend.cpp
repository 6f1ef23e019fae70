#include "tests/contract/catalog/backend.h"

#include "tests/support/temporary_directory.h"

namespace tierhub {
namespace {

class MemoryBackend final : public StoreBackend {
 public:
  Result<std::unique_ptr<KeyValueStore>> open() override { return keeper_->another_handle(); }

 private:
  std::unique_ptr<MemoryStore> keeper_ = MemoryStore::create();
};

class RocksDbBackend final : public StoreBackend {
 public:
  Result<std::unique_ptr<KeyValueStore>> open() override {
    return open_rocksdb_store(directory_ / "catalog");
  }

 private:
  TemporaryDirectory directory_;
};

}  // namespace

std::unique_ptr<StoreBackend> make_memory_backend() { return std::make_unique<MemoryBackend>(); }
std::unique_ptr<StoreBackend> make_rocksdb_backend() { return std::make_unique<RocksDbBackend>(); }

std::vector<BackendKind> backend_kinds() {
  return {{"memory", make_memory_backend}, {"rocksdb", make_rocksdb_backend}};
}

}  // namespace tierhub
