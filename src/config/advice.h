// src/config/advice.h - what is allowed and yet hardly meant: warnings.

#pragma once

#include "ringmain/config/config.h"

#include "findings.h"
#include "toml.h"

namespace ringmain::config {

// `pool` has no errors, and its servers are in the order of placement.
void advise(const Tree& tree, const Node& table, const Pool& pool, Findings& findings);

// About what concerns all pools.
void advise(const Tree& tree, const Config& config, Findings& findings);

}  // namespace ringmain::config
