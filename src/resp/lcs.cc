#include "lcs.h"

#include "ringmain/base/ascii.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "key_search.h"

namespace ringmain::resp {

LcsOptions read_lcs_options(std::span<const std::string> words) {
    LcsOptions options;
    for (size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (is_word(word, "idx")) {
            options.indices = true;
        } else if (is_word(word, "len")) {
            options.length_only = true;
        } else if (is_word(word, "withmatchlen")) {
            options.match_lengths = true;
        } else if (is_word(word, "minmatchlen") && i + 1 < words.size()) {
            i += 1;
            const std::optional<int64_t> length = ascii::parse_int64(words[i]);
            if (!length.has_value()) {
                options.error = "ERR value is not an integer or out of range";
                return options;
            }
            options.match_length_min = std::max<int64_t>(*length, 0);
        } else {
            options.error = "ERR syntax error";
            return options;
        }
    }
    if (options.indices && options.length_only) {
        options.error = "ERR If you want both the length and indexes, please just use IDX.";
    }
    return options;
}

namespace {

// The lengths of the longest common subsequences of all beginnings.
class Table {
  public:
    Table(std::string_view a, std::string_view b)
        : width_(b.size() + 1), cells_((a.size() + 1) * width_) {
        for (size_t i = 1; i <= a.size(); ++i) {
            for (size_t j = 1; j <= b.size(); ++j) {
                cells_[i * width_ + j] = a[i - 1] == b[j - 1]
                                             ? at(i - 1, j - 1) + 1
                                             : std::max(at(i - 1, j), at(i, j - 1));
            }
        }
    }

    [[nodiscard]] uint32_t at(size_t i, size_t j) const { return cells_[i * width_ + j]; }

  private:
    size_t width_;
    std::vector<uint32_t> cells_;
};

struct Match {
    size_t a = 0;  // where it starts
    size_t b = 0;
    size_t length = 0;
};

struct Walk {
    std::string common;
    std::vector<Match> matches;  // from the end
};

// From the end backwards. In steps of redis, whose quirk is part of the answer: where two matches
// touch in one string only, the byte that ends the one belongs to none.
Walk walk_back(std::string_view a, std::string_view b, const Table& table) {
    Walk walk;
    size_t i = a.size();
    size_t j = b.size();
    Match open;  // length 0: none
    while (i > 0 && j > 0) {
        bool ends = false;
        if (a[i - 1] == b[j - 1]) {
            walk.common += a[i - 1];
            if (open.length == 0) {
                open = {.a = i - 1, .b = j - 1, .length = 1};
            } else if (open.a == i && open.b == j) {
                open = {.a = i - 1, .b = j - 1, .length = open.length + 1};
            } else {
                ends = true;
            }
            ends = ends || open.a == 0 || open.b == 0;
            i -= 1;
            j -= 1;
        } else {
            (table.at(i - 1, j) > table.at(i, j - 1) ? i : j) -= 1;
            ends = open.length > 0;
        }
        if (ends) {
            walk.matches.push_back(open);
            open = {};
        }
    }
    std::ranges::reverse(walk.common);
    return walk;
}

void write_range(size_t start, size_t length, std::string& out) {
    write_array_header(out, 2);
    write_integer(out, static_cast<int64_t>(start));
    write_integer(out, static_cast<int64_t>(start + length - 1));
}

}  // namespace

void write_lcs(std::string_view a,
               std::string_view b,
               const LcsOptions& options,
               Version version,
               std::string& out) {
    const Table table(a, b);
    const int64_t length = table.at(a.size(), b.size());
    if (options.length_only) {
        write_integer(out, length);
        return;
    }
    Walk walk = walk_back(a, b, table);
    if (!options.indices) {
        write_bulk(out, walk.common);
        return;
    }
    std::erase_if(walk.matches, [&options](const Match& match) {
        return static_cast<int64_t>(match.length) < options.match_length_min;
    });
    write_map_header(out, 2, version);
    write_bulk(out, "matches");
    write_array_header(out, walk.matches.size());
    for (const Match& match : walk.matches) {
        write_array_header(out, options.match_lengths ? 3 : 2);
        write_range(match.a, match.length, out);
        write_range(match.b, match.length, out);
        if (options.match_lengths) write_integer(out, static_cast<int64_t>(match.length));
    }
    write_bulk(out, "len");
    write_integer(out, length);
}

}  // namespace ringmain::resp
