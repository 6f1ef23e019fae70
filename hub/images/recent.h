// A bounded number of values that were computed last.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <optional>
#include <utility>

#include "common/guarded.h"

namespace tierhub::hub {

// Any thread. Two threads that miss the same value both compute it.
template <class Key, class Value>
class Recent {
 public:
  explicit Recent(size_t most) : most_(most) {}

  std::optional<Value> find(const Key& key) {
    return all_.with([&](All& all) -> std::optional<Value> {
      const auto known = all.by_key.find(key);
      if (known == all.by_key.end()) return std::nullopt;
      all.order.splice(all.order.begin(), all.order, known->second);
      return known->second->second;
    });
  }
  void put(const Key& key, Value value) {
    all_.with([&](All& all) {
      if (const auto known = all.by_key.find(key); known != all.by_key.end()) {
        all.order.erase(known->second);
      }
      all.order.emplace_front(key, std::move(value));
      all.by_key[key] = all.order.begin();
      if (all.order.size() <= most_) return;
      all.by_key.erase(all.order.back().first);
      all.order.pop_back();
    });
  }

 private:
  using Order = std::list<std::pair<Key, Value>>;
  struct All {
    Order order;
    std::map<Key, typename Order::iterator> by_key;
  };
  const size_t most_;
  Guarded<All> all_;
};

}  // namespace tierhub::hub
