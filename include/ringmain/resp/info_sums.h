// ringmain/resp/info_sums.h - what several servers say in INFO, as of one.
//
// A figure is there when each of them has it: of a sum of some nobody would know of which. The
// section Keyspace has a form of its own (keyspace.h).

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::resp {

class InfoSums {
  public:
    // `texts` outlive it.
    explicit InfoSums(std::span<const std::string_view> texts);

    // Of "used_memory:1024"; nothing when one of them lacks the field, it is no number there, or
    // the sum is none of 64 bits.
    [[nodiscard]] std::optional<int64_t> sum(std::string_view name) const;
    [[nodiscard]] std::optional<int64_t> smallest(std::string_view name) const;
    [[nodiscard]] std::optional<int64_t> largest(std::string_view name) const;

    // Of "used_cpu_sys:0.25", with so many places.
    [[nodiscard]] std::string decimal_sum(std::string_view name, int places) const;

    // What they have there, each once: "noeviction", or "noeviction,allkeys-lru".
    [[nodiscard]] std::string values(std::string_view name) const;

    // The lines whose name begins so, "cmdstat_get:calls=1,usec=6,usec_per_call=6.00", added up by
    // name and field, in the order of the names; the mean is that of all. Not all need have them.
    void add_up(std::string_view prefix, std::string& out) const;

  private:
    using Fields = std::map<std::string_view, std::string_view>;

    [[nodiscard]] std::optional<std::vector<std::string_view>> all(std::string_view name) const;
    [[nodiscard]] std::optional<std::vector<int64_t>> numbers(std::string_view name) const;

    std::vector<Fields> servers_;
};

}  // namespace ringmain::resp
