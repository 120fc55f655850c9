// ringmain/resp/join.h - the responses of all servers to one question as one response.
//
// `parts` are whole responses, none of them an error, in the order of the servers. Each function
// appends a whole response to `out`; false, with nothing appended, when a part has not the shape
// that the question allows. What lies in chains is large and taken over without a copy.

#pragma once

#include "ringmain/buffer/chain.h"
#include "ringmain/buffer/cursor.h"
#include "ringmain/resp/multi_key.h"
#include "ringmain/resp/writer.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ringmain::resp {

using Parts = std::span<const std::string_view>;

// LASTSAVE: the smallest integer.
[[nodiscard]] bool join_smallest(Parts parts, std::string& out);

// PUBSUB NUMPAT: the largest integer.
[[nodiscard]] bool join_largest(Parts parts, std::string& out);

// PUBSUB NUMSUB: arrays of names and counts; the pairs in the order of `owners`, which says of each
// the part that has it.
[[nodiscard]] bool join_counts(Parts parts, std::span<const uint16_t> owners, std::string& out);

// SCRIPT EXISTS: arrays of 0 and 1; 1 where all have it.
[[nodiscard]] bool join_and(Parts parts, std::string& out);

// SLOWLOG GET: the `count` entries with the latest times, the latest first; all when negative.
[[nodiscard]] bool join_newest(Parts parts, int64_t count, std::string& out);

// Whether two answers to CONFIG GET say the same: each server has an order of its own.
[[nodiscard]] bool are_same_settings(std::string_view one, std::string_view other);

// MEMORY DOCTOR and other texts for people: each under its title.
[[nodiscard]] bool join_texts(Parts parts,
                              std::span<const std::string> titles,
                              Version version,
                              std::string& out);

// FUNCTION STATS: which part shows a script that runs; else the first.
[[nodiscard]] size_t find_running(Parts parts);

// KEYS: one array of all elements.
[[nodiscard]] JoinStatus concat_arrays(std::span<const Chain* const> parts,
                                       Chain& target,
                                       OpenBlock* open);

// The cursor of a response to SCAN; `cursor` stands behind it then. Nothing when it has none.
[[nodiscard]] std::optional<uint64_t> read_page_cursor(Cursor& cursor);

}  // namespace ringmain::resp
