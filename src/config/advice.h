// src/config/advice.h - what is allowed and yet hardly meant: warnings about a pool.

#pragma once

#include "ringmain/config/config.h"

#include "findings.h"
#include "toml.h"

namespace ringmain::config {

// `pool` has no errors, and its servers are in the order of placement.
void advise(const Tree& tree, const Node& table, const Pool& pool, Findings& findings);

}  // namespace ringmain::config
