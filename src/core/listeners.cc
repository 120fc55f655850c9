#include "ringmain/core/listeners.h"

#include "ringmain/base/assert.h"

namespace ringmain::core {

class Listeners::Lock {
  public:
    explicit Lock(std::atomic_flag& flag) : flag_(&flag) {
        while (flag_->test_and_set(std::memory_order_acquire)) {
            flag_->wait(true, std::memory_order_relaxed);
        }
    }

    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

    ~Lock() {
        flag_->clear(std::memory_order_release);
        flag_->notify_one();
    }

  private:
    std::atomic_flag* flag_;
};

void Listeners::add(TopicKind kind, std::string_view name) {
    const Lock lock(busy_);
    auto& counts = counts_[static_cast<size_t>(kind)];
    const auto found = counts.find(name);
    if (found == counts.end()) {
        counts.emplace(name, 1);
    } else {
        found->second += 1;
    }
}

void Listeners::remove(TopicKind kind, std::string_view name) {
    const Lock lock(busy_);
    auto& counts = counts_[static_cast<size_t>(kind)];
    const auto found = counts.find(name);
    RM_ASSERT(found != counts.end());
    found->second -= 1;
    if (found->second == 0) counts.erase(found);
}

uint64_t Listeners::count(TopicKind kind, std::string_view name) const {
    const Lock lock(busy_);
    const auto& counts = counts_[static_cast<size_t>(kind)];
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
}

}  // namespace ringmain::core
