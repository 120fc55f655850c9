// src/config/value.h - one value of the file, checked against its row in the table of options.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/config/options.h"

#include "toml.h"

namespace ringmain::config {

// The error begins with the option's name. A secret's value never stands in it.
[[nodiscard]] Result<Value> read_value(const Option& option, const Node& node);

}  // namespace ringmain::config
