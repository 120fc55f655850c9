// src/config/toml.h - a TOML file as a flat tree with positions.
//
// The only door to the parser library: its types and its compile time stay behind it. Where the
// text is broken, the line is reported, left out, and reading goes on, so that one run finds
// everything.

#pragma once

#include "ringmain/config/diagnostic.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringmain::config {

struct Node {
    enum class Kind : uint8_t { Table, Array, String, Integer, Float, Boolean, Date };

    Kind kind = Kind::Table;
    std::string key;  // in its table; empty in an array
    Place key_place;
    Place place;  // of the value; of a [table] its header
    std::string text;
    int64_t integer = 0;  // also of a boolean
    uint32_t first_child = 0;
    uint32_t next = 0;  // of the same parent, in the order of the file
};

struct Tree {
    std::vector<Node> nodes = std::vector<Node>(1);  // the root table is the first
    bool has_gaps = false;  // lines were left out: what seems missing may stand there

    [[nodiscard]] const Node& root() const { return nodes.front(); }

    // for (const Node* child = tree.first(node); child != nullptr; child = tree.next(*child))
    [[nodiscard]] const Node* first(const Node& node) const { return at(node.first_child); }

    [[nodiscard]] const Node* next(const Node& node) const { return at(node.next); }

    [[nodiscard]] const Node* find(const Node& table, std::string_view key) const;

  private:
    [[nodiscard]] const Node* at(uint32_t index) const {
        return index == 0 ? nullptr : &nodes[index];
    }
};

// "a table", "a string" ...
[[nodiscard]] std::string_view name_of(Node::Kind kind);

// Appends to `diagnostics` what is no TOML.
[[nodiscard]] Tree parse_toml(std::string_view text, std::vector<Diagnostic>& diagnostics);

}  // namespace ringmain::config
