// ringmain/config/locate.h - which server a key lives on, as a line of text; no socket is opened.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/config.h"
#include "ringmain/placement/placement.h"

#include <optional>
#include <string>
#include <string_view>

namespace ringmain::config {

// The pool with that name, or the only pool when the name is empty; else the reason, with the
// names that there are: wrong usage, exit status 2.
[[nodiscard]] Result<const Pool*> choose_pool(const Config& config, std::string_view name);

// "6b6579" -> "key"; "-" -> the empty key; nullopt for anything else.
[[nodiscard]] std::optional<std::string> key_from_hex(std::string_view text);

// Borrows the pool.
class Locator {
  public:
    explicit Locator(const Pool& pool) : pool_(&pool), placement_(pool.placement, pool.nodes()) {}

    // False for `distribution = "random"`: the server of a key is drawn anew for each request.
    [[nodiscard]] bool has_fixed_places() const;

    // "key<TAB>server<TAB>address<TAB>hash", without an end of line; `shown` is the key as given.
    [[nodiscard]] std::string line(std::string_view shown, std::string_view key) const;

  private:
    const Pool* pool_;
    placement::Placement placement_;
};

}  // namespace ringmain::config
