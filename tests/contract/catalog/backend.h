// The stores that the contract suites run on, and how each is closed and opened again.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "catalog/key_value_store.h"
#include "common/result.h"

namespace tierhub {

// Where a store's data live between two opens.
class StoreBackend {
 public:
  virtual ~StoreBackend() = default;
  // The last store that was opened must be gone.
  virtual Result<std::unique_ptr<KeyValueStore>> open() = 0;
};

std::unique_ptr<StoreBackend> make_memory_backend();
std::unique_ptr<StoreBackend> make_rocksdb_backend();

struct BackendKind {
  std::string name;
  std::function<std::unique_ptr<StoreBackend>()> make;
};

// As the parameters of a suite: every store of TierHub.
std::vector<BackendKind> backend_kinds();

}  // namespace tierhub
