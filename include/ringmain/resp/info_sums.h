// ringmain/resp/info_sums.h - what several servers say in INFO, as of one.
//
// A figure is there when each of them has it: of a sum of some nobody would know of which. The
// section Keyspace has a form of its own (keyspace.h).

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringmain::resp {

// Of thousands of lines a few are asked for. Which ones has to be known before, so that the texts
// are gone through once, and nothing is made of the others.
class InfoSums {
  public:
    InfoSums() = default;

    // The lines with these names, and those whose name begins with one of `prefixes`. All of that
    // outlives it.
    InfoSums(std::span<const std::string_view> texts,
             std::span<const std::string_view> names,
             std::span<const std::string_view> prefixes);

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
    static constexpr size_t slots = 256;

    // What each has there; less than of all servers when one does not have it.
    struct Figure {
        std::string_view name;
        std::vector<std::string_view> values;
    };

    // "calls=1,usec=6,usec_per_call=6.00", added up.
    struct Line {
        // In the order in which they came first.
        std::vector<std::pair<std::string_view, int64_t>> fields;
        size_t servers = 0;     // up to the last one that has it
        bool has_mean = false;  // behind the second field

        void add(std::string_view text);
        [[nodiscard]] double number(std::string_view name) const;
        void write(std::string& out) const;
        void write_mean(std::string& out) const;
    };

    struct Kind {
        std::string_view prefix;
        std::map<std::string_view, Line> lines;
    };

    [[nodiscard]] static size_t slot_of(std::string_view name);
    void read(std::string_view text, size_t server);
    [[nodiscard]] std::span<const std::string_view> all(std::string_view name) const;
    [[nodiscard]] std::vector<int64_t> numbers(std::string_view name) const;

    size_t servers_ = 0;
    std::array<std::vector<Figure>, slots> figures_;  // where most lines find none
    std::vector<Kind> kinds_;
};

}  // namespace ringmain::resp
