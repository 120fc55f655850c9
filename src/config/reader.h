// src/config/reader.h - the tree of a file -> Config, row by row of the table of options.

#pragma once

#include "ringmain/config/config.h"
#include "ringmain/config/options.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "findings.h"
#include "toml.h"

namespace ringmain::config {

inline constexpr size_t pool_count_max = 4096;  // as far as it was measured

// A server with its place in the file, before the pool's order is known.
struct ServerDraft {
    Server server;
    Place place;
};

class Reader {
  public:
    Reader(const Tree& tree, uint32_t cpus_allowed, Findings& findings)
        : tree_(&tree), cpus_allowed_(cpus_allowed), findings_(&findings) {}

    [[nodiscard]] Config read();

  private:
    void read_proxy(const Node& table);
    void read_pools(const Node& table);
    void read_pool(const Node& table);
    void check_pool(const Node& table, const Pool& pool);
    void check_listen(const Node* node, const Address& listen, const std::string& owner);

    [[nodiscard]] std::vector<ServerDraft> read_servers(const Node& list);
    [[nodiscard]] bool read_server(const Node& node, Server& server);
    void check_credentials(const Node& table,
                           const Pool& pool,
                           const std::vector<ServerDraft>& drafts);
    void check_servers(const Pool& pool, const Node& list, std::vector<ServerDraft>& drafts);

    // reader_circles.cc
    void check_circles();

    // reader_users.cc
    void read_users(const Node& list, Pool& pool);
    [[nodiscard]] bool read_user(const Node& node, User& user);
    void check_password(const Node& node, const User& user);
    void check_commands(const Node& node, const User& user);

    // Every key of the table that is in the section goes to the target.
    void read_section(Section section,
                      const Node& table,
                      const Target& target,
                      std::string_view title);
    void read_option(const Option& option, const Node& node, const Target& target);
    void read_strings(const Option& option, const Node& list, const Target& target);
    void unknown_key(Section section, const Node& node, std::string_view title);
    void unknown_section(const Node& node);
    [[nodiscard]] bool expect_table(const Node& node, std::string_view title);

    const Tree* tree_;
    uint32_t cpus_allowed_;
    Findings* findings_;
    Config config_;

    struct Listening {
        Address address;
        std::string owner;
    };

    // By port, or path: only those can be at the same place.
    std::multimap<std::pair<uint16_t, std::string>, Listening> listeners_;
    std::vector<std::vector<Place>> server_places_;  // by pool, as its servers
};

}  // namespace ringmain::config
