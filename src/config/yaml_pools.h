// src/config/yaml_pools.h - the part of YAML that twemproxy's configuration uses: pools of
// directives.
//
// The scanner is libyaml, the one in twemproxy. What twemproxy refuses (deeper nesting, aliases,
// several documents) is an error here too; flow style is read, since its meaning is clear.

#pragma once

#include "ringmain/config/diagnostic.h"

#include <string>
#include <string_view>
#include <vector>

namespace ringmain::config {

struct YamlScalar {
    std::string text;
    Place place;
};

struct YamlDirective {
    YamlScalar key;
    YamlScalar value = {};  // of a list: only its place
    bool is_list = false;
    std::vector<YamlScalar> items = {};
};

struct YamlPool {
    YamlScalar name;
    std::vector<YamlDirective> directives;
    bool is_whole = true;  // false: an error cut it short
};

// What could be read before the first error, which is appended to `diagnostics`.
[[nodiscard]] std::vector<YamlPool> read_yaml(std::string_view text,
                                              std::vector<Diagnostic>& diagnostics);

}  // namespace ringmain::config
